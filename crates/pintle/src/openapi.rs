//! `pintle openapi`: the description of a server, of one that runs, or of one that would be started
//! with these files.

use std::io::{self, Write};
use std::path::PathBuf;

use pintle_engine::Catalog;
use pintle_model::FieldError;
use pintle_rest::Terms;
use pintle_schema::Definition;
use serde_json::{Map, Value};

use crate::auth::{self, AuthError, ServerArgs};
use crate::manifests::{self, Manifest, ManifestError, ManifestLimits, Place};

/// What `pintle openapi` is told.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct OpenApiArgs {
    /// Files and directories with kinds, as for `serve`
    #[arg(value_name = "PATH", required_unless_present = "server", conflicts_with = "server")]
    pub paths: Vec<PathBuf>,

    /// Describe this running server instead
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,

    /// File with the bearer token to send
    #[arg(long, value_name = "FILE", requires = "server")]
    pub token_file: Option<PathBuf>,

    /// Certificates (PEM) to believe besides those that the machine trusts
    #[arg(long, value_name = "FILE", requires = "server")]
    pub ca_file: Option<PathBuf>,
}

/// Why there is no description.
#[derive(Debug, thiserror::Error)]
pub enum OpenApiError {
    /// The files cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A kind cannot be used.
    #[error("{place}: {}", in_words(faults))]
    Definition {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        faults: Vec<FieldError>,
    },
    /// The server cannot be asked.
    #[error(transparent)]
    Server(#[from] AuthError),
    /// There is no runtime.
    #[error("nothing can be asked")]
    Runtime(#[source] io::Error),
    /// The description cannot be printed.
    #[error("the description cannot be printed")]
    Print(#[source] io::Error),
}

fn in_words(faults: &[FieldError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Prints the description: the same text for the same kinds, every time.
pub async fn run(args: &OpenApiArgs, out: &mut impl Write) -> Result<(), OpenApiError> {
    let document = match &args.server {
        Some(server) => {
            let (token_file, ca_file) = (args.token_file.clone(), args.ca_file.clone());
            auth::described(&ServerArgs { server: server.clone(), token_file, ca_file }).await?
        }
        None => of_files(&args.paths)?,
    };
    writeln!(out, "{document:#}").and_then(|()| out.flush()).map_err(OpenApiError::Print)
}

/// The description of a server that asks for no credentials and serves the kinds of these files.
fn of_files(paths: &[PathBuf]) -> Result<Value, OpenApiError> {
    let manifests = manifests::load(paths, &ManifestLimits::default())?.manifests;
    let definitions = manifests.into_iter().filter(declares).map(definition);
    let definitions = definitions.collect::<Result<Vec<_>, _>>()?;
    Ok(pintle_rest::document(&Catalog::declaring(definitions), Terms::default()))
}

fn declares(manifest: &Manifest) -> bool {
    manifest.kind == "CustomResourceDefinition"
}

fn definition(manifest: Manifest) -> Result<Definition, OpenApiError> {
    let name = manifest.name.as_deref().unwrap_or_default();
    let spec = manifest.value().get_mut("spec").map(Value::take).unwrap_or_default();
    let body = Map::from_iter([("spec".to_owned(), spec)]);
    Definition::from_crd(name, &body)
        .map_err(|faults| OpenApiError::Definition { place: manifest.place, faults })
}
