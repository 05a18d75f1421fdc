//! Client certificates: who signs them, read again when the file changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use pintle_identity::ClientTrust;
use tokio::task::JoinSet;

use super::IdentityError;
use crate::config::TlsConfig;
use crate::input_file;
use crate::reload::{FileWatch, Reload};

/// A file of authorities has at most so many bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

#[derive(Debug)]
pub(super) struct Certificates {
    pub(super) trust: Arc<ClientTrust>,
    file: PathBuf,
    watch: FileWatch,
}

impl Certificates {
    pub(super) fn load(config: &TlsConfig) -> Result<Option<Self>, IdentityError> {
        let Some(file) = config.client_ca.clone() else { return Ok(None) };
        if config.tls_cert.is_none() && !config.tls_self_signed {
            return Err(IdentityError::Incomplete {
                given: "client-ca",
                missing: "tls-cert or tls-self-signed",
                why: "certificates are shown over TLS alone",
            });
        }
        let watch = FileWatch::new([file.clone()]);
        let text = read(&file).map_err(|source| IdentityError::Unreadable {
            file: file.clone(),
            setting: "client-ca",
            source,
        })?;
        let trust = ClientTrust::from_pem(&text)
            .map_err(|problem| IdentityError::ClientCa { file: file.clone(), problem })?;
        let note = "whom this CA names is who they are, and it may put anybody into system:masters, \
                    who may do everything: let it sign for this server alone";
        tracing::info!(file = %file.display(), note, "client certificates are believed");
        Ok(Some(Self { trust: Arc::new(trust), file, watch }))
    }

    /// Follows the file.
    pub(super) fn follow(self, following: &mut JoinSet<()>) {
        let Self { trust, file, watch } = self;
        following.spawn(watch.follow(move || replace(&trust, &file)));
    }
}

fn read(file: &Path) -> Result<Vec<u8>, std::io::Error> {
    input_file::read(file, FILE_BYTES_MAX)
}

fn replace(trust: &ClientTrust, file: &Path) -> Reload {
    let text = read(file).map_err(|error| error.to_string())?;
    let is_other = trust.replace(&text).map_err(|error| error.to_string())?;
    Ok(is_other.then(|| "client certificates are checked under the new CA".to_owned()))
}
