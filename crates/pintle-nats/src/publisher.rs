//! One stream as a transport.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::{Context, ErrorCode, stream};
use async_nats::{Client, ConnectOptions, Event, jetstream};
use pintle_delivery::{Envelope, Outcome, Parcel, Transport};
use pintle_outbound::{CaFileError, SecretFile, SecretFileError, tls_config};

use crate::message::{self, message_id};
use crate::outcome::outcome;
use crate::{Credentials, Target, covers};

const CREDENTIALS_BYTES_MAX: u64 = 64 * 1024;

/// Publishes events into one stream.
#[derive(Debug)]
pub struct Publisher {
    target: Target,
    options: ConnectOptions,
    link: Option<Link>,
    said: Arc<Said>,
}

/// A connection, after the stream was looked at.
#[derive(Debug)]
struct Link {
    client: Client,
    context: Context,
}

/// The last complaint of the server that belongs to no request, such as that a right is missing.
#[derive(Debug, Default)]
struct Said(Mutex<Option<String>>);

impl Said {
    fn set(&self, text: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), text)
    }

    fn add_to(&self, why: String) -> String {
        match self.set(None) {
            Some(said) => format!("{why} (the server says: {said})"),
            None => why,
        }
    }
}

impl Publisher {
    /// A publisher into the stream of `target`. What its files hold is looked at, so that a mistake
    /// is found when the server starts.
    pub fn new(target: Target) -> Result<Self, PublisherError> {
        target.credentials.check()?;
        let said = Arc::new(Said::default());
        let (tls, servers) = (tls_config(target.ca_file.as_deref())?, &target.servers);
        let told = Arc::clone(&said);
        let options = ConnectOptions::new()
            .name("pintle")
            .tls_client_config(tls)
            .require_tls(servers.want_tls())
            .connection_timeout(target.timeout)
            // Whoever lost the connection looks at the stream again after the next one, and says
            // why there is none. So every server is tried once, and at once.
            .max_reconnects(servers.addresses().len())
            .reconnect_delay_callback(|_| Duration::ZERO)
            .event_callback(move |event| {
                if let Event::ServerError(error) = event {
                    told.set(Some(error.to_string()));
                }
                std::future::ready(())
            });
        Ok(Self { target, options, link: None, said })
    }

    /// What it publishes into.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// A connection that holds, as far as is known.
    async fn link(&mut self) -> Result<&Link, String> {
        let holds = |link: &Link| link.client.connection_state() == State::Connected;
        let link = match self.link.take().filter(holds) {
            Some(link) => link,
            None => self.connect().await?,
        };
        Ok(self.link.insert(link))
    }

    async fn connect(&self) -> Result<Link, String> {
        let Target { servers, credentials, timeout, .. } = &self.target;
        let options = credentials.add_to(self.options.clone()).await?;
        let client = options.connect(servers.addresses()).await;
        let client = client.map_err(|error| format!("cannot connect to {servers}: {error}"))?;
        let context = ContextBuilder::new().timeout(*timeout).build(client.clone());
        self.check_stream(&context).await.map_err(|why| self.said.add_to(why))?;
        Ok(Link { client, context })
    }

    async fn check_stream(&self, context: &Context) -> Result<(), String> {
        let Target { stream, create, .. } = &self.target;
        let found = match context.get_stream(stream.as_str()).await {
            Ok(found) => found.cached_info().config.clone(),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(said) if is_missing(&said) && *create => {
                    self.create_stream(context).await?
                }
                GetStreamErrorKind::JetStream(said) if is_missing(&said) => {
                    return Err(format!(
                        "there is no stream {stream}: make one that takes {}, or let it be made \
                         with create: true",
                        self.target.subjects.wanted().join(", ")
                    ));
                }
                GetStreamErrorKind::JetStream(said) => {
                    return Err(format!("the stream {stream} cannot be asked about: {said}"));
                }
                kind => {
                    let source = error.source().map(|it| format!(": {it}")).unwrap_or_default();
                    return Err(format!(
                        "the stream {stream} cannot be asked about (is JetStream switched on \
                         there?): {kind}{source}"
                    ));
                }
            },
        };
        self.check_config(&found)
    }

    fn check_config(&self, found: &stream::Config) -> Result<(), String> {
        let Target { stream, subjects, .. } = &self.target;
        if found.no_ack {
            return Err(format!("the stream {stream} acknowledges nothing (no_ack)"));
        }
        let is_taken = |wanted: &&String| found.subjects.iter().any(|wide| covers(wide, wanted));
        let missing: Vec<_> = subjects.wanted().iter().filter(|it| !is_taken(it)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.iter().map(|it| it.as_str()).collect::<Vec<_>>().join(", ");
        let takes = found.subjects.join(", ");
        Err(format!(
            "the stream {stream} takes {takes}, and events would have subjects of {missing}: add \
             them to the stream, or want fewer types"
        ))
    }

    async fn create_stream(&self, context: &Context) -> Result<stream::Config, String> {
        let Target { stream, subjects, .. } = &self.target;
        // A stream must not have subjects that overlap each other.
        let wanted = subjects.wanted();
        let is_inside = |index: usize, one: &str| {
            let covered = |(other, wide): (usize, &String)| {
                other != index && covers(wide, one) && (other < index || !covers(one, wide))
            };
            wanted.iter().enumerate().any(covered)
        };
        let subjects = wanted.iter().enumerate().filter(|(index, one)| !is_inside(*index, one));
        let config = stream::Config {
            name: stream.to_string(),
            subjects: subjects.map(|(_, one)| one.clone()).collect(),
            description: Some("Lifecycle events of Pintle".to_owned()),
            ..stream::Config::default()
        };
        let created = context.create_stream(config).await;
        let created =
            created.map_err(|error| format!("the stream {stream} cannot be made: {error}"))?;
        Ok(created.cached_info().config.clone())
    }

    async fn publish<E: Envelope>(&mut self, event: &E) -> Result<Outcome, String> {
        let (mode, stream) = (self.target.mode, self.target.stream.clone());
        let subject = self.target.subjects.of(event.event_type());
        let said = Arc::clone(&self.said);
        let link = self.link().await?;
        said.set(None);
        let message = message::message(mode, event);
        let message = PublishMessage::build()
            .payload(message.payload)
            .headers(message.headers)
            .message_id(message_id(event))
            .expected_stream(stream.as_str());
        let answer = match link.context.send_publish(subject.clone(), message).await {
            Ok(sent) => sent.await,
            Err(error) => Err(error),
        };
        Ok(match outcome(answer, &stream, &subject) {
            Outcome::Away { why, wait } => Outcome::Away { why: said.add_to(why), wait },
            other => other,
        })
    }
}

impl<E: Envelope> Transport<E> for Publisher {
    /// One at a time: what is acknowledged together could be stored in another order.
    fn fit(&self, _parcels: &[Parcel<E>]) -> usize {
        1
    }

    async fn ready(&mut self) -> Result<(), String> {
        self.link().await.map(drop)
    }

    async fn send(&mut self, parcels: &[Parcel<E>]) -> Outcome {
        for parcel in parcels {
            match self.publish(&parcel.event).await {
                Ok(Outcome::Taken) => {}
                Ok(other) => return other,
                Err(why) => return Outcome::Away { why, wait: None },
            }
        }
        Outcome::Taken
    }

    fn json(&self, event: &E) -> Vec<u8> {
        event.json().to_vec()
    }
}

/// Why events cannot be published as the settings want it.
#[derive(Debug, thiserror::Error)]
pub enum PublisherError {
    /// The certificates to believe cannot be used.
    #[error(transparent)]
    Ca(#[from] CaFileError),
    /// A password, a token or a seed cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The seed is none.
    #[error("{} holds no seed of an nkey: it begins with SU and has 58 characters", file.display())]
    Seed {
        /// The file.
        file: PathBuf,
    },
    /// The file of credentials cannot be read.
    #[error("cannot read the credentials in {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds no credentials.
    #[error(
        "{} holds no credentials: it needs a user JWT and the seed of its nkey, as nsc writes them",
        file.display()
    )]
    Malformed {
        /// The file.
        file: PathBuf,
    },
}

impl Credentials {
    /// Whether they could be used now. Blocks while files are read.
    fn check(&self) -> Result<(), PublisherError> {
        match self {
            Self::None => Ok(()),
            Self::Password { password: file, .. } | Self::Token(file) => {
                file.read()?;
                Ok(())
            }
            Self::Nkey(file) => check_seed(file, file.read()?.expose()),
            Self::File(file) => {
                let options = ConnectOptions::new().credentials(&read(file)?);
                let malformed = |_| PublisherError::Malformed { file: file.clone() };
                options.map(drop).map_err(malformed)
            }
        }
    }

    /// What they are now.
    async fn add_to(&self, options: ConnectOptions) -> Result<ConnectOptions, String> {
        let this = self.clone();
        let added = tokio::task::spawn_blocking(move || this.add(options)).await;
        let added = added.map_err(|stopped| stopped.to_string())?;
        added.map_err(|error| match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        })
    }

    fn add(&self, options: ConnectOptions) -> Result<ConnectOptions, PublisherError> {
        Ok(match self {
            Self::None => options,
            Self::Password { user, password } => {
                options.user_and_password(user.clone(), password.read()?.expose().to_owned())
            }
            Self::Token(file) => options.token(file.read()?.expose().to_owned()),
            Self::Nkey(file) => options.nkey(file.read()?.expose().to_owned()),
            Self::File(file) => options
                .credentials(&read(file)?)
                .map_err(|_| PublisherError::Malformed { file: file.clone() })?,
        })
    }
}

/// Only its shape: whether it is the right one is for the server to say.
fn check_seed(file: &SecretFile, seed: &str) -> Result<(), PublisherError> {
    let inside = |byte: u8| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte);
    if seed.starts_with("SU") && seed.len() == 58 && seed.bytes().all(inside) {
        return Ok(());
    }
    Err(PublisherError::Seed { file: file.path().to_owned() })
}

fn read(file: &Path) -> Result<String, PublisherError> {
    let text = std::fs::metadata(file).and_then(|found| {
        if !found.is_file() || found.len() > CREDENTIALS_BYTES_MAX {
            return Err(io::Error::other("it is no regular file, or too long"));
        }
        std::fs::read_to_string(file)
    });
    text.map_err(|source| PublisherError::Unreadable { file: file.to_owned(), source })
}

fn is_missing(said: &jetstream::Error) -> bool {
    said.error_code() == ErrorCode::STREAM_NOT_FOUND
}
