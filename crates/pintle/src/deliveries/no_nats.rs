//! A build that cannot publish to NATS.

use std::path::Path;

use super::numbers::DeliveryNumbers;
use super::{DeliveryError, Starting};
use crate::config::ServeConfig;

/// Why events cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum NatsSettingsError {
    /// They are to be, and cannot be.
    #[error(
        "the setting \"nats\" asks for events to be published, and this pintle was built without \
         NATS: build it with `cargo build --release -p pintle --features nats`, or leave the \
         setting out"
    )]
    NotBuilt,
}

/// No targets.
#[derive(Debug)]
pub(crate) struct Targets;

impl Targets {
    pub(crate) fn load(
        config: &ServeConfig,
        _data_dir: Option<&Path>,
    ) -> Result<Self, DeliveryError> {
        if config.nats.nats.is_some() {
            return Err(NatsSettingsError::NotBuilt.into());
        }
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "as in the build that can publish")]
    pub(crate) const fn start(self, _: &mut Starting<'_>, _: &mut Vec<DeliveryNumbers>) {}
}
