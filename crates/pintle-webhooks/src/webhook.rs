//! One endpoint as a transport.

use std::error::Error as _;
use std::time::{SystemTime, UNIX_EPOCH};

use pintle_delivery::{Envelope, Outcome, Parcel, Transport};
use pintle_outbound::{
    CaFileError, Client, ClientSettings, Message, SecretFile, SecretFileError, SendError, Url,
};

use crate::message::{self, Request};
use crate::{Endpoint, answer, sign};

/// Brings events to one endpoint.
#[derive(Debug)]
pub struct Webhook {
    endpoint: Endpoint,
    client: Client,
}

/// Why an endpoint cannot be talked to as the settings want it.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The certificates to believe cannot be used.
    #[error(transparent)]
    Ca(#[from] CaFileError),
    /// The token or the key cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The key is not what its beginning says.
    #[error("{file} holds no key for signatures: what follows whsec_ is not base64")]
    Key {
        /// The file.
        file: String,
    },
}

/// Why an attempt ended before there was an answer.
enum Failed {
    NotSent(String),
    NotAnswered(SendError),
}

impl Webhook {
    /// The webhook of `endpoint`. What its files hold is looked at, so that a mistake is found when
    /// the server starts.
    pub fn new(endpoint: Endpoint) -> Result<Self, WebhookError> {
        if let Some(token) = &endpoint.token {
            token.read()?;
        }
        if let Some(file) = &endpoint.secret {
            sign::key(&file.read()?).ok_or_else(|| no_key(file))?;
        }
        if endpoint.token.is_some() && !endpoint.url.is_https() {
            tracing::warn!(url = %endpoint.url, "a token is sent there that others can read: use https");
        }
        let client = Client::new(&ClientSettings {
            ca_file: endpoint.ca_file.clone(),
            connect_timeout: endpoint.timeout,
            timeout: endpoint.timeout,
            // Requests go one after the other.
            idle_connections_max: 1,
            ..ClientSettings::default()
        })?;
        Ok(Self { endpoint, client })
    }

    /// Where it is.
    pub const fn url(&self) -> &Url {
        &self.endpoint.url
    }

    async fn post<E: Envelope>(&self, parcels: &[Parcel<E>]) -> Result<Outcome, Failed> {
        let Some(request) = message::request(self.endpoint.mode, parcels) else {
            return Ok(Outcome::Taken);
        };
        let message = self.message(request).await.map_err(Failed::NotSent)?;
        let answer = self.client.tell(message).await.map_err(Failed::NotAnswered)?;
        Ok(answer::outcome(&answer, SystemTime::now()))
    }

    /// The request with what proves where it comes from. The files are read for each attempt, so
    /// that a secret that was replaced takes effect.
    async fn message(&self, request: Request) -> Result<Message<'_>, String> {
        let Request { id, content_type, mut headers, body } = request;
        if let Some(file) = &self.endpoint.secret {
            let secret = file.load().await.map_err(|error| in_full(&error))?;
            let key = sign::key(&secret).ok_or_else(|| no_key(file).to_string())?;
            sign::sign(&mut headers, &key, &id, seconds(), &body);
        }
        let mut message = Message::post(&self.endpoint.url, content_type, body);
        for (name, value) in &headers {
            message = message.header(name.clone(), value.clone());
        }
        if let Some(file) = &self.endpoint.token {
            message = message.bearer(&file.load().await.map_err(|error| in_full(&error))?);
        }
        Ok(message)
    }
}

impl<E: Envelope> Transport<E> for Webhook {
    fn fit(&self, parcels: &[Parcel<E>]) -> usize {
        message::fit(self.endpoint.mode, parcels)
    }

    async fn send(&mut self, parcels: &[Parcel<E>]) -> Outcome {
        match self.post(parcels).await {
            Ok(outcome) => outcome,
            Err(Failed::NotSent(why)) => Outcome::Away { why, wait: None },
            Err(Failed::NotAnswered(error)) => unanswered(&error),
        }
    }

    fn json(&self, event: &E) -> Vec<u8> {
        event.json().to_vec()
    }
}

/// Who cannot be reached is away; who was reached and gives no answer may fail at what was sent.
fn unanswered(error: &SendError) -> Outcome {
    let (why, wait) = (error.to_string(), None);
    match error {
        SendError::Connect { .. } => Outcome::Away { why, wait },
        SendError::Timeout { .. } | SendError::Broken { .. } | SendError::TooLong { .. } => {
            Outcome::Failing { why, wait }
        }
    }
}

fn in_full(error: &SecretFileError) -> String {
    let source = error.source();
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

fn no_key(file: &SecretFile) -> WebhookError {
    WebhookError::Key { file: file.path().display().to_string() }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
