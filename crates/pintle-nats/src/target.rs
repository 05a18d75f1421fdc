//! What there is to say about a target: where it is, and how to talk to it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use async_nats::ServerAddr;
use pintle_outbound::SecretFile;

use crate::Subjects;

const SERVERS_MAX: usize = 16;
const STREAM_BYTES_MAX: usize = 255;

/// How events become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The whole event is the payload.
    #[default]
    Structured,
    /// The data is the payload, the rest are headers.
    Binary,
}

/// How to say who publishes. Files are read for each connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Credentials {
    /// Not at all.
    #[default]
    None,
    /// A user and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: SecretFile,
    },
    /// A token.
    Token(SecretFile),
    /// The seed of an nkey.
    Nkey(SecretFile),
    /// A file of credentials, as `nsc` writes it: a JWT and the seed of its key.
    File(PathBuf),
}

/// One or more servers of one system. `Display` and `Debug` show them, as there are no credentials
/// in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Servers(Vec<ServerAddr>);

/// A text that names no servers. It is not repeated, as it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidServers {
    /// It is not a URL.
    #[error("it is not a URL; one looks like nats://example.io:4222, or tls:// to encrypt always")]
    Malformed,
    /// It has another scheme than those of NATS.
    #[error("the URL has to begin with nats:// or tls://")]
    Scheme,
    /// It has a user or a password in it.
    #[error(
        "the URL holds a user name, a password or a token before the host, where it would end up \
         in logs; name a file that holds it instead"
    )]
    Credentials,
    /// There are too many.
    #[error("there can be {SERVERS_MAX} servers")]
    TooMany,
}

impl Servers {
    pub(crate) fn addresses(&self) -> &[ServerAddr] {
        &self.0
    }

    /// Whether a connection without TLS is none.
    pub(crate) fn want_tls(&self) -> bool {
        self.0.iter().any(ServerAddr::tls_required)
    }
}

impl FromStr for Servers {
    type Err = InvalidServers;

    /// URLs, with commas in between.
    fn from_str(text: &str) -> Result<Self, InvalidServers> {
        let servers = text.split(',').map(|text| server(text.trim()));
        let servers: Vec<_> = servers.collect::<Result<_, _>>()?;
        if servers.len() > SERVERS_MAX { Err(InvalidServers::TooMany) } else { Ok(Self(servers)) }
    }
}

fn server(text: &str) -> Result<ServerAddr, InvalidServers> {
    if !text.starts_with("nats://") && !text.starts_with("tls://") {
        return Err(InvalidServers::Scheme);
    }
    if text.contains('@') {
        return Err(InvalidServers::Credentials);
    }
    let server: ServerAddr = text.parse().map_err(|_| InvalidServers::Malformed)?;
    if server.host().is_empty() { Err(InvalidServers::Malformed) } else { Ok(server) }
}

impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, server) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let scheme = if server.tls_required() { "tls" } else { "nats" };
            let host = server.host();
            // An IPv6 address has colons of its own.
            let (open, close) =
                if host.contains(':') && !host.starts_with('[') { ("[", "]") } else { ("", "") };
            write!(f, "{comma}{scheme}://{open}{host}{close}:{}", server.port())?;
        }
        Ok(())
    }
}

/// The name of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamName(String);

/// A text that is no name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a stream: it has to be 1 to {STREAM_BYTES_MAX} printable ASCII characters \
     without space, dot, star, > and slashes"
)]
pub struct InvalidStream(String);

impl StreamName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamName {
    type Err = InvalidStream;

    fn from_str(text: &str) -> Result<Self, InvalidStream> {
        let inside = |byte: u8| byte.is_ascii_graphic() && !b".*>/\\".contains(&byte);
        if (1..=STREAM_BYTES_MAX).contains(&text.len()) && text.bytes().all(inside) {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidStream(text.chars().take(64).collect()))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream, and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Where it is.
    pub servers: Servers,
    /// Its name.
    pub stream: StreamName,
    /// The subjects of events.
    pub subjects: Subjects,
    /// What its readers understand.
    pub mode: Mode,
    /// How to say who publishes.
    pub credentials: Credentials,
    /// Certificates to believe besides those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Make the stream when it is not there.
    pub create: bool,
    /// An event is acknowledged within this, or the attempt has failed.
    pub timeout: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_urls_without_credentials() {
        let many = vec!["nats://h"; SERVERS_MAX + 1].join(",");
        for (text, expected) in [
            ("nats://h", Ok("nats://h:4222")),
            ("tls://h:1, nats://[::1]:2", Ok("tls://h:1,nats://[::1]:2")),
            ("", Err(InvalidServers::Scheme)),
            ("h:4222", Err(InvalidServers::Scheme)),
            ("http://h", Err(InvalidServers::Scheme)),
            ("nats://", Err(InvalidServers::Malformed)),
            ("nats://h:99999", Err(InvalidServers::Malformed)),
            ("nats://u:secret@h", Err(InvalidServers::Credentials)),
            ("nats://token@h", Err(InvalidServers::Credentials)),
            (&many, Err(InvalidServers::TooMany)),
        ] {
            let servers = text.parse::<Servers>().map(|servers| servers.to_string());
            assert_eq!(servers, expected.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn names_of_streams_are_checked() {
        for right in ["EVENTS", "a-b_c", "A"] {
            assert_eq!(right.parse::<StreamName>().unwrap().to_string(), right);
        }
        for wrong in ["", "a b", "a.b", "a*", ">", "a/b", "ä", &"a".repeat(256)] {
            assert!(wrong.parse::<StreamName>().is_err(), "{wrong}");
        }
    }
}
