//! Documents from files become objects.
//!
//! Definitions and rules follow their files: they are written when the file changed since it was
//! last applied, and left alone otherwise. Other objects are only created. Applying the same files
//! again changes nothing, and loses nothing that was written meanwhile.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use pintle_authz::{Asks, Granted, MASTERS, RuleBook, User};
use pintle_engine::{Engine, Refusal, Served, Write, Written};
use pintle_http::{Subject, answer};
use pintle_model::{GroupResource, Manner, ObjectKey, Scope};
use pintle_rules::{
    Conduct, Document, Edit, FieldValidation, ForeignLane, Intent, Lane, MetadataMode,
    Precondition, Refusal as RulesRefusal, UidForm,
};
use pintle_schema::Version;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::manifests::{Manifest, Place};

/// A document that cannot be applied.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ApplyError {
    place: Box<Place>,
    problem: String,
}

/// What applying led to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) created: usize,
    pub(crate) updated: usize,
    /// They were there already: definitions and rules as in their files, others as they are.
    pub(crate) kept: usize,
    /// Their place is being deleted.
    pub(crate) left_out: usize,
}

/// Remembers which text of a file an object was last made from.
const DIGEST: &str = "pintle/manifest-digest";

/// Applies documents in their order, which has definitions before what they define.
pub(crate) async fn apply(engine: &Engine, manifests: &[Manifest]) -> Result<Applied, ApplyError> {
    let mut applied = Applied::default();
    let last = last_of_each(manifests);
    for (index, manifest) in manifests.iter().enumerate() {
        if let Some(later) = last.get(&Declared::by(manifest)).filter(|last| **last > index)
            && let Some(later) = manifests.get(*later)
        {
            let (place, later) = (&manifest.place, &later.place);
            tracing::warn!(%place, %later, "left out: a later document declares the same");
            continue;
        }
        let done = Applier { engine, manifest }.apply().await?;
        match done {
            Done::Created => applied.created += 1,
            Done::Updated => applied.updated += 1,
            Done::Kept => applied.kept += 1,
            Done::LeftOut => applied.left_out += 1,
        }
    }
    Ok(applied)
}

/// What a document declares, in words that two documents about the same object share.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Declared<'a> {
    group: &'a str,
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Declared<'a> {
    fn by(manifest: &'a Manifest) -> Self {
        Self {
            group: manifest.group(),
            kind: &manifest.kind,
            namespace: manifest.namespace.as_deref().unwrap_or_default(),
            name: manifest.name.as_deref().unwrap_or_default(),
        }
    }
}

/// Where everything that follows its file is declared last. Were each of two documents applied,
/// every start would write the object twice, and change what is in force for a while.
fn last_of_each(manifests: &[Manifest]) -> HashMap<Declared<'_>, usize> {
    let declared = manifests.iter().map(Declared::by).enumerate();
    let follows = declared.filter(|(_, it)| FOLLOWING_GROUPS.contains(&it.group));
    follows.map(|(index, it)| (it, index)).collect()
}

#[derive(Debug)]
enum Done {
    Created,
    Updated,
    Kept,
    LeftOut,
}

/// One document on its way.
#[derive(Debug, Clone, Copy)]
struct Applier<'a> {
    engine: &'a Engine,
    manifest: &'a Manifest,
}

impl Applier<'_> {
    async fn apply(self) -> Result<Done, ApplyError> {
        // Read again by the one reader whose numbers are canonical.
        let text = self.manifest.text();
        let value = pintle_model::json::parse(text.as_bytes())
            .map_err(|error| self.fault(error.to_string()))?
            .value;
        let Value::Object(fields) = value else { return Err(self.fault("not an object")) };
        let served = self.find_kind(&fields)?;
        let digest = digest(text);
        let (key, document) = self.addressed(&served, fields, &digest)?;
        self.ensure_namespace(&key).await?;
        match self.create(&served, &key, document.clone(), &digest).await {
            Ok(_) => Ok(Done::Created),
            Err(Refusal::Rules(RulesRefusal::AlreadyExists { .. })) if follows_file(&served) => {
                self.update(&served, &key, document, &digest).await
            }
            Err(Refusal::Rules(RulesRefusal::AlreadyExists { .. })) => Ok(Done::Kept),
            Err(
                refusal @ (Refusal::NamespaceTerminating { .. }
                | Refusal::KindTerminating
                | Refusal::QuotaExceeded(_)),
            ) => self.without_a_place(&served, &key, &refusal).await,
            Err(refusal) => Err(self.refused(&key, &refusal)),
        }
    }

    /// What an earlier run began to delete must not keep the server from starting: only a server
    /// that runs can finish it. Nor must what others have made since, up to a quota.
    async fn without_a_place(
        self,
        served: &Arc<Served>,
        key: &ObjectKey,
        refusal: &Refusal,
    ) -> Result<Done, ApplyError> {
        let version = Arc::clone(self.version(served));
        let get = pintle_engine::Get { key: key.clone(), version, subresource: None };
        let granted = grant(get).map_err(|refusal| self.refused(key, &refusal))?;
        if self.engine.get(&granted).await.is_ok() {
            return Ok(Done::Kept);
        }
        tracing::warn!("left out: {}", self.refused(key, refusal));
        Ok(Done::LeftOut)
    }

    fn find_kind(self, fields: &Map<String, Value>) -> Result<Arc<Served>, ApplyError> {
        let text = |name| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api_version, kind) = (text("apiVersion"), text("kind"));
        let catalog = self.engine.catalog();
        let served =
            catalog.resource_of(api_version, kind).and_then(|it| catalog.get(&it).cloned());
        let served = served.ok_or_else(|| {
            self.fault(format!(
                "no kind {kind:?} of {api_version:?} is declared; load its \
                 CustomResourceDefinition too"
            ))
        })?;
        let name = api_version.rsplit_once('/').map_or(api_version, |(_, version)| version);
        let version = served.definition.version(name).filter(|version| version.served);
        if version.is_none() {
            return Err(self.fault(format!("kind {kind:?} has no served version {name:?}")));
        }
        Ok(served)
    }

    /// Splits a document into its address and its lanes.
    fn addressed(
        self,
        served: &Served,
        mut fields: Map<String, Value>,
        digest: &str,
    ) -> Result<(ObjectKey, Document), ApplyError> {
        fields.remove("apiVersion");
        fields.remove("kind");
        let status = fields.remove("status");
        let metadata = match fields.remove("metadata") {
            Some(Value::Object(metadata)) => metadata,
            None | Some(Value::Null) => Map::new(),
            Some(_) => return Err(self.fault("metadata must be an object")),
        };
        let text = |name| metadata.get(name).and_then(Value::as_str).unwrap_or_default();
        let namespace = match (served.definition.kind.scope, text("namespace")) {
            (Scope::Cluster, _) => "",
            (Scope::Namespaced, "") => "default",
            (Scope::Namespaced, namespace) => namespace,
        };
        // A generated name comes from the content, so that the same file makes no second object.
        let generated = || format!("{}{}", text("generateName"), digest.get(..8).unwrap_or(digest));
        let name = match (text("name"), text("generateName")) {
            ("", "") => return Err(self.fault("metadata.name is missing")),
            ("", _) => generated(),
            (name, _) => name.to_owned(),
        };
        let key = ObjectKey::new(served.resource(), namespace, &name);
        let mut metadata = metadata;
        metadata.remove("resourceVersion");
        metadata.insert("name".to_owned(), Value::from(name));
        if served.definition.kind.scope == Scope::Cluster {
            metadata.remove("namespace");
        }
        let document =
            Document { metadata: Some(metadata), body: Some(fields), status, foreign: Vec::new() };
        Ok((key, document))
    }

    /// Files may name namespaces that nobody declares; they are made, so that the objects have a
    /// place.
    async fn ensure_namespace(self, key: &ObjectKey) -> Result<(), ApplyError> {
        let Some(namespace) = key.namespace() else { return Ok(()) };
        let resource = GroupResource::new("", "namespaces");
        let Some(served) = self.engine.catalog().get(&resource).cloned() else { return Ok(()) };
        let key = ObjectKey::new(resource, "", namespace);
        let intent = intent(Edit::Create(Document::default()), Precondition::default());
        match self.write(&served, &key, intent).await {
            Ok(_) => tracing::info!(namespace, "a namespace was created for the objects in it"),
            Err(Refusal::Rules(RulesRefusal::AlreadyExists { .. })) => {}
            Err(refusal) => return Err(self.refused(&key, &refusal)),
        }
        Ok(())
    }

    async fn create(
        self,
        served: &Arc<Served>,
        key: &ObjectKey,
        mut document: Document,
        digest: &str,
    ) -> Result<Written, Refusal> {
        if follows_file(served) {
            annotate(&mut document, digest);
        }
        self.write(served, key, intent(Edit::Create(document), Precondition::default())).await
    }

    async fn update(
        self,
        served: &Arc<Served>,
        key: &ObjectKey,
        mut document: Document,
        digest: &str,
    ) -> Result<Done, ApplyError> {
        let version = Arc::clone(self.version(served));
        let get = pintle_engine::Get { key: key.clone(), version, subresource: None };
        let stored = grant(get).map_err(|refusal| self.refused(key, &refusal))?;
        let stored = self.engine.get(&stored).await;
        let stored = stored.map_err(|refusal| self.refused(key, &refusal))?;
        if stored.metadata.annotations.get(DIGEST).map(String::as_str) == Some(digest) {
            return Ok(Done::Kept);
        }
        annotate(&mut document, digest);
        let precondition =
            Precondition { revision: Some(stored.revision), ..Precondition::default() };
        let written = self.write(served, key, intent(Edit::Replace(document), precondition)).await;
        let written = written.map_err(|refusal| self.refused(key, &refusal))?;
        Ok(if written.changed { Done::Updated } else { Done::Kept })
    }

    /// The version of its kind that a document is written in.
    fn version(self, served: &Arc<Served>) -> &Arc<Version> {
        let name = self.manifest.api_version.rsplit('/').next().unwrap_or_default();
        served.definition.version(name).unwrap_or_else(|| served.default_version())
    }

    async fn write(
        self,
        served: &Arc<Served>,
        key: &ObjectKey,
        intent: Intent,
    ) -> Result<Written, Refusal> {
        let version = self.version(served);
        let write = Write {
            served: Arc::clone(served),
            version: Arc::clone(version),
            key: key.clone(),
            intent,
            dry_run: false,
        };
        let written = self.engine.write(grant(write)?).await?;
        for warning in &written.warnings {
            tracing::warn!(place = %self.manifest.place, "{warning}");
        }
        Ok(written)
    }

    fn fault(self, problem: impl Into<String>) -> ApplyError {
        ApplyError { place: Box::new(self.manifest.place.clone()), problem: problem.into() }
    }

    fn refused(self, key: &ObjectKey, refusal: &Refusal) -> ApplyError {
        let subject = Subject { resource: key.resource.clone(), name: key.name.name.to_string() };
        self.fault(answer(refusal, &subject).message)
    }
}

/// Whoever starts the server with files may do what they say.
fn grant<A: Asks>(request: A) -> Result<Granted<A>, Refusal> {
    let loader = Arc::new(User::authenticated("system:pintle:files", None, [MASTERS.into()]));
    Ok(RuleBook::allow_all().grant(&loader, request)?)
}

/// Definitions and rules follow their files; other objects belong to whoever writes them.
const FOLLOWING_GROUPS: [&str; 2] = ["apiextensions.k8s.io", "rbac.authorization.k8s.io"];

fn follows_file(served: &Served) -> bool {
    served.definition.core && FOLLOWING_GROUPS.contains(&&*served.definition.kind.group)
}

fn annotate(document: &mut Document, digest: &str) {
    let metadata = document.metadata.get_or_insert_default();
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
    if annotations.is_null() {
        *annotations = json!({});
    }
    // Anything else is refused by the write, which says what is wrong with it.
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(DIGEST.to_owned(), Value::from(digest));
    }
}

fn intent(edit: Edit, precondition: Precondition) -> Intent {
    Intent {
        lane: Lane::Main,
        edit,
        precondition,
        conduct: Conduct {
            foreign: ForeignLane::Refuse,
            metadata: MetadataMode::NamedOnly,
            unknown_fields: FieldValidation::Warn,
            keeps_conditions: true,
            patches_are: Manner::Patched,
            uids: UidForm::Kind,
        },
        manager: "pintle-files".to_owned(),
    }
}

fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(16).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text grows in memory");
        text
    })
}
