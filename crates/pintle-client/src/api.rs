//! [`Api`]: what can be done with the objects of one kind.

use std::marker::PhantomData;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, IF_MATCH, LINK};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use pintle_kinds::report::{Seen, Settled, settle};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::encode::{encode, query};
use crate::transport::Call;
use crate::watch::Watch;
use crate::{Client, Error, Patch};

/// The objects of one kind on one server. What it is told (a namespace, a version) holds for
/// everything that is called on it.
#[derive(Debug)]
pub struct Api<T> {
    client: Client,
    path: String,
    version: Option<&'static str>,
    namespace: Option<String>,
    if_match: Option<String>,
    status_scope: bool,
    dry_run: bool,
    strict: bool,
    objects: PhantomData<fn() -> T>,
}

impl<T> Clone for Api<T> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            path: self.path.clone(),
            namespace: self.namespace.clone(),
            if_match: self.if_match.clone(),
            objects: PhantomData,
            ..*self
        }
    }
}

/// Which objects a list or a watch is about. The default is all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// By labels: `app=web,tier in (front,back)`.
    pub labels: Option<String>,
    /// By fields: `spec.location=dc2`.
    pub fields: Option<String>,
    /// At most so many in one page.
    pub limit: Option<u32>,
    /// Where the last page ended.
    pub page: Option<String>,
}

/// Objects of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T> {
    /// The objects.
    pub items: Vec<T>,
    /// The version of the moment, to begin a watch with.
    pub resource_version: String,
    /// How to ask for the next page, when there may be one.
    pub next_page: Option<String>,
}

/// What became of a report.
#[derive(Debug, Clone, PartialEq)]
pub enum Reported<T> {
    /// It says what was seen already. Nothing was sent.
    Unchanged,
    /// It is stored; the object with it.
    Written(T),
}

/// A report that loses so many races in a row is given up on.
const RACES_MAX: usize = 16;

impl<T> Api<T> {
    pub(crate) fn new(
        client: Client,
        plural: &str,
        group: &str,
        version: Option<&'static str>,
    ) -> Self {
        let group = if group.is_empty() { "core" } else { group };
        let path = format!("/{}.{}", encode(plural), encode(group));
        Self {
            client,
            path,
            version,
            namespace: None,
            if_match: None,
            status_scope: false,
            dry_run: false,
            strict: false,
            objects: PhantomData,
        }
    }

    /// In this namespace. Without one, a list or watch is about all that the caller may see, and
    /// everything else about `default` or what the object says.
    #[must_use]
    pub fn namespace(&self, namespace: impl Into<String>) -> Self {
        Self { namespace: Some(namespace.into()), ..self.clone() }
    }

    /// Writes only over this version of the object.
    #[must_use]
    pub fn if_match(&self, resource_version: impl Into<String>) -> Self {
        Self { if_match: Some(resource_version.into()), ..self.clone() }
    }

    /// A version that is named is compared with the last write to the *status* alone.
    #[must_use]
    pub fn compare_status(&self) -> Self {
        Self { status_scope: true, ..self.clone() }
    }

    /// Decides and answers as always, and writes nothing.
    #[must_use]
    pub fn dry_run(&self) -> Self {
        Self { dry_run: true, ..self.clone() }
    }

    /// Refuses fields that the kind does not have, instead of leaving them out with a warning.
    #[must_use]
    pub fn strict(&self) -> Self {
        Self { strict: true, ..self.clone() }
    }

    fn object_path(&self, id: &str) -> Result<String, Error> {
        if id.is_empty() {
            return Err(Error::Unsendable("the name of the object is empty".to_owned()));
        }
        Ok(format!("{}/{}", self.path, encode(id)))
    }

    fn accept(&self) -> HeaderMap {
        let accept = match self.version {
            Some(version) => format!("application/json;version={version}"),
            None => "application/json".to_owned(),
        };
        let accept = HeaderValue::try_from(accept);
        accept.into_iter().map(|value| (ACCEPT, value)).collect()
    }

    fn call(&self, method: Method, path: &str) -> Call {
        let namespace = self.namespace.iter().map(|it| ("namespace", it.clone()));
        let path = format!("{path}{}", query(namespace));
        Call { method, path, headers: self.accept(), body: Bytes::new() }
    }

    /// A write, with all that it is told.
    fn write(&self, method: Method, path: &str) -> Result<Call, Error> {
        let manager = self.client.manager().map(|name| ("fieldManager", name.to_owned()));
        let flags = [
            (self.status_scope, ("conflictScope", "status".to_owned())),
            (self.dry_run, ("dryRun", "All".to_owned())),
            (self.strict, ("fieldValidation", "Strict".to_owned())),
        ];
        let flags = flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, pair)| pair);
        let namespace = self.namespace.iter().map(|it| ("namespace", it.clone()));
        let path = format!("{path}{}", query(namespace.chain(manager).chain(flags)));
        let mut headers = self.accept();
        if let Some(version) = &self.if_match {
            headers.insert(IF_MATCH, header(&format!("\"{version}\""))?);
        }
        Ok(Call { method, path, headers, body: Bytes::new() })
    }

    pub(crate) fn watch_call(&self, options: &ListOptions, from: Option<&str>) -> Call {
        let from = from.map(|version| ("resourceVersion", version.to_owned()));
        let namespace = self.namespace.iter().map(|it| ("namespace", it.clone()));
        let watch = [("watch", "true".to_owned())];
        let pairs = watch.into_iter().chain(from).chain(namespace).chain(selectors(options));
        let path = format!("{}{}", self.path, query(pairs));
        let accept = match self.version {
            Some(version) => format!("application/x-ndjson;version={version}"),
            None => "application/x-ndjson".to_owned(),
        };
        let headers = HeaderValue::try_from(accept).into_iter().map(|value| (ACCEPT, value));
        Call { method: Method::GET, path, headers: headers.collect(), body: Bytes::new() }
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }
}

impl<T: DeserializeOwned> Api<T> {
    /// One object, by its name or uid.
    pub async fn get(&self, id: &str) -> Result<T, Error> {
        self.object(self.call(Method::GET, &self.object_path(id)?)).await
    }

    /// One object, or nothing.
    pub async fn find(&self, id: &str) -> Result<Option<T>, Error> {
        match self.get(id).await {
            Err(Error::NotFound(refused)) if refused.reason == "NOT_FOUND" => Ok(None),
            found => found.map(Some),
        }
    }

    /// Objects, all or a page of them.
    pub async fn list(&self, options: &ListOptions) -> Result<List<T>, Error> {
        let namespace = self.namespace.iter().map(|it| ("namespace", it.clone()));
        let limit = options.limit.map(|limit| ("limit", limit.to_string()));
        let page = options.page.clone().map(|page| ("continue", page));
        let pairs = namespace.chain(selectors(options)).chain(limit).chain(page);
        let path = format!("{}{}", self.path, query(pairs));
        let call = Call { method: Method::GET, path, headers: self.accept(), body: Bytes::new() };
        let (headers, body) = self.client.call(call).await?;
        let resource_version = text(&headers, &VERSION_HEADER).unwrap_or_default().to_owned();
        let next_page = text(&headers, &LINK).and_then(next_page);
        Ok(List { items: read(&body)?, resource_version, next_page })
    }

    /// Follows the objects: first those that there are, then every change.
    pub fn watch(&self, options: ListOptions) -> Watch<T> {
        Watch::new(self.clone(), options, None)
    }

    /// Follows the objects from after a version, such as that of a list.
    pub fn watch_from(
        &self,
        options: ListOptions,
        resource_version: impl Into<String>,
    ) -> Watch<T> {
        Watch::new(self.clone(), options, Some(resource_version.into()))
    }

    /// Makes an object.
    pub async fn create(&self, object: &T) -> Result<T, Error>
    where
        T: Serialize,
    {
        let mut call = self.write(Method::POST, &self.path)?;
        set_json(&mut call, "application/json", object)?;
        self.object(call).await
    }

    /// Replaces what users own of an object: labels and the like, and its spec. Its status stays.
    /// An object that was read has a version, and nothing is written over another one
    /// ([`Error::Conflict`]).
    pub async fn replace(&self, object: &T) -> Result<T, Error>
    where
        T: Serialize,
    {
        let known = Known::of(object)?;
        let api = self.near(&known);
        let mut call = api.write(Method::PUT, &self.object_path(&known.name)?)?;
        set_json(&mut call, "application/json", object)?;
        self.object(call).await
    }

    /// Changes a part of what users own.
    pub async fn patch(&self, id: &str, patch: &Patch) -> Result<T, Error> {
        let mut call = self.write(Method::PATCH, &self.object_path(id)?)?;
        set_json(&mut call, patch.media_type(), patch.value())?;
        self.object(call).await
    }

    /// Deletes an object.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let call = self.write(Method::DELETE, &self.object_path(id)?)?;
        self.client.call(call).await.map(drop)
    }

    /// Replaces the status of an object that was read, and nothing else. When it was written since,
    /// nothing is written ([`Error::Conflict`]).
    pub async fn update_status<S>(&self, object: &T, status: &S) -> Result<T, Error>
    where
        T: Serialize,
        S: Serialize,
    {
        let known = Known::of(object)?;
        self.put_status(&known, &to_value(status)?).await
    }

    /// Changes a part of the status.
    pub async fn patch_status(&self, id: &str, patch: &Patch) -> Result<T, Error> {
        let path = format!("{}/status", self.object_path(id)?);
        let mut call = self.write(Method::PATCH, &path)?;
        set_json(&mut call, patch.media_type(), patch.value())?;
        self.object(call).await
    }

    /// Sets one condition, and leaves the others.
    pub async fn set_condition(
        &self,
        id: &str,
        condition: &pintle_kinds::Condition,
    ) -> Result<T, Error> {
        let mut call = self.write(Method::PUT, &self.condition_path(id, &condition.kind)?)?;
        set_json(&mut call, "application/json", condition)?;
        self.object(call).await
    }

    /// Removes one condition, and leaves the others.
    pub async fn remove_condition(&self, id: &str, kind: &str) -> Result<T, Error> {
        let call = self.write(Method::DELETE, &self.condition_path(id, kind)?)?;
        self.object(call).await
    }

    /// Reports what was seen, for an object that was read.
    ///
    /// Nothing is sent when the object says so already. When the object was written since, the
    /// report is brought in all the same as long as what is wanted, and whatever the report does
    /// not speak of, is as it was read; otherwise it is [`Error::Stale`], and has to be computed
    /// again.
    pub async fn report<S>(&self, object: &T, status: &S) -> Result<Reported<T>, Error>
    where
        T: Serialize,
        S: Serialize,
    {
        let (before, wanted) = (Known::of(object)?, to_value(status)?);
        if before.status == wanted {
            return Ok(Reported::Unchanged);
        }
        let (mut target, mut next) = (before.clone(), wanted.clone());
        for _ in 0..RACES_MAX {
            match self.put_status(&target, &next).await {
                Err(Error::Conflict(_)) => {}
                written => return written.map(Reported::Written),
            }
            let call = self.near(&before).call(Method::GET, &self.object_path(&before.name)?);
            let (_, body) = self.client.call(call).await?;
            target = Known::of_value(&read::<Value>(&body)?)?;
            match settle(before.seen(), &wanted, target.seen()) {
                Settled::Done => return read(&body).map(Reported::Written),
                Settled::Write(status) => next = status,
                Settled::Stale(stale) => return Err(stale.into()),
            }
        }
        self.put_status(&target, &next).await.map(Reported::Written)
    }

    async fn put_status(&self, known: &Known, status: &Value) -> Result<T, Error> {
        let path = format!("{}/status", self.object_path(&known.name)?);
        let mut call = self.near(known).write(Method::PUT, &path)?;
        let mut metadata = json!({});
        for (name, value) in [("uid", &known.uid), ("resourceVersion", &known.resource_version)] {
            if let (Some(value), Some(fields)) = (value, metadata.as_object_mut()) {
                fields.insert(name.to_owned(), Value::from(value.as_str()));
            }
        }
        let body = json!({"metadata": metadata, "status": status});
        set_json(&mut call, "application/json", &body)?;
        self.object(call).await
    }

    fn condition_path(&self, id: &str, kind: &str) -> Result<String, Error> {
        Ok(format!("{}/status/conditions/{}", self.object_path(id)?, encode(kind)))
    }

    /// The same in the namespace of an object.
    fn near(&self, known: &Known) -> Self {
        Self {
            namespace: known.namespace.clone().or_else(|| self.namespace.clone()),
            ..self.clone()
        }
    }

    async fn object(&self, call: Call) -> Result<T, Error> {
        let (_, body) = self.client.call(call).await?;
        read(&body)
    }
}

/// What is known of an object that was read.
#[derive(Debug, Clone)]
struct Known {
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    status: Value,
}

impl Known {
    fn of(object: &impl Serialize) -> Result<Self, Error> {
        Self::of_value(&to_value(object)?)
    }

    fn of_value(object: &Value) -> Result<Self, Error> {
        let metadata = object.get("metadata").unwrap_or(&Value::Null);
        let text = |name| metadata.get(name).and_then(Value::as_str).map(str::to_owned);
        let name = text("name");
        Ok(Self {
            name: name.ok_or_else(|| Error::Unsendable("it has no metadata.name".to_owned()))?,
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            generation: metadata.get("generation").and_then(Value::as_i64),
            status: object.get("status").cloned().unwrap_or_default(),
        })
    }

    fn seen(&self) -> Seen<'_> {
        Seen { uid: self.uid.as_deref(), generation: self.generation, status: &self.status }
    }
}

static VERSION_HEADER: HeaderName = HeaderName::from_static("pintle-resource-version");

fn selectors(options: &ListOptions) -> impl Iterator<Item = (&'static str, String)> {
    let labels = options.labels.clone().map(|text| ("labelSelector", text));
    let fields = options.fields.clone().map(|text| ("fieldSelector", text));
    labels.into_iter().chain(fields)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The token in `</devices?limit=2&continue=…>; rel="next"`.
fn next_page(link: &str) -> Option<String> {
    let (target, _) = link.split_once('>')?;
    let (_, token) = target.split_once("continue=")?;
    let token = token.split('&').next().unwrap_or(token);
    Some(decode(token))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|digit| digit.map_or('0', char::from));
        let code = digits.iter().filter_map(|digit| digit.to_digit(16)).fold(0, |n, d| n * 16 + d);
        bytes.push(u8::try_from(code).unwrap_or(b'?'));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn header(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(text).map_err(|_| Error::Unsendable(format!("{text:?} is no version")))
}

fn set_json(
    call: &mut Call,
    media_type: &'static str,
    body: &(impl Serialize + ?Sized),
) -> Result<(), Error> {
    call.headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    let body = serde_json::to_vec(body).map_err(|error| Error::Unsendable(error.to_string()))?;
    call.body = body.into();
    Ok(())
}

fn to_value(value: &(impl Serialize + ?Sized)) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Unsendable(error.to_string()))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| Error::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_in_the_link() {
        for (link, expected) in [
            ("</devices?limit=2&continue=a%2Bb%3D>; rel=\"next\"", Some("a+b=")),
            ("</devices?continue=abc&limit=2>; rel=\"next\"", Some("abc")),
            ("</devices>; rel=\"first\"", None),
            ("", None),
        ] {
            assert_eq!(next_page(link).as_deref(), expected, "{link}");
        }
    }
}
