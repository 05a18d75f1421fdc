//! `pintle kubeconfig`: what kubectl, and every other client for Kubernetes, has to know of a
//! server, from the settings that the server is started with.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle_identity::{TokenFileError, tokens_in};

use crate::config::ServeConfig;
use crate::input_file;

/// What `pintle kubeconfig` is told, besides the settings of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct KubeconfigArgs {
    /// User whose token in the token file is shown to the server; may be left out where the file
    /// has one user
    #[arg(long, value_name = "NAME", conflicts_with = "client_certificate")]
    pub user: Option<String>,

    /// Address of the server as its clients see it; else as --listen and the TLS settings have it
    #[arg(long, value_name = "URL", value_parser = server_url)]
    pub server: Option<String>,

    /// Certificates (PEM) to believe; else those of the server's own CA where it makes one, and
    /// those that the machine trusts where it does not
    #[arg(long, value_name = "FILE")]
    pub certificate_authority: Option<PathBuf>,

    /// Client certificate (PEM) to show instead of a token
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub client_certificate: Option<PathBuf>,

    /// Private key of that certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub client_key: Option<PathBuf>,

    /// Namespace that commands without one are about
    #[arg(long, short, value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// Write this file, which must not be there yet, instead of standard output; only its owner may
    /// read it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Why there is no kubeconfig.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// A file cannot be read.
    #[error("cannot read {}, {what}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What it is needed for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The server has not made its CA yet.
    #[error(
        "there is no {} yet: the server makes its CA when it starts first; start it, and then try \
         again", .0.display()
    )]
    NoCa(PathBuf),
    /// A file that should hold PEM does not.
    #[error("{} holds no PEM text", .0.display())]
    NotPem(PathBuf),
    /// The token file is not usable.
    #[error("{}: {problem}", file.display())]
    Tokens {
        /// The file.
        file: PathBuf,
        /// What is wrong, and where.
        problem: TokenFileError,
    },
    /// A user was named, and there are no tokens.
    #[error("there is no token file to find the token of {0:?} in; name it with --tokens")]
    NoTokens(String),
    /// Nobody in the token file has the name.
    #[error("{} has no token of {user:?}; it has tokens of {known}", file.display())]
    NoSuchUser {
        /// The file.
        file: PathBuf,
        /// The name.
        user: String,
        /// Names that are there.
        known: String,
    },
    /// Several users, and nobody said which.
    #[error("{} has tokens of {known}; say which with --user", file.display())]
    WhichUser {
        /// The file.
        file: PathBuf,
        /// Names that are there.
        known: String,
    },
    /// The server chooses its port when it starts.
    #[error(
        "the server is to listen on a port that it chooses itself; name its address with --server"
    )]
    NoPort,
    /// The file is there already.
    #[error(
        "{} is there already, and nothing is merged into it; name another file, or remove it",
        .0.display()
    )]
    Exists(PathBuf),
    /// The result cannot be written.
    #[error("{} cannot be written", file.display())]
    Unwritable {
        /// The file.
        file: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The result cannot be printed.
    #[error("the kubeconfig cannot be printed")]
    Print(#[source] io::Error),
}

/// What is written.
#[derive(Debug)]
struct Kubeconfig {
    server: String,
    /// PEM text of the certificates to believe.
    ca: Option<Vec<u8>>,
    credential: Credential,
    namespace: Option<String>,
}

enum Credential {
    None,
    Token { user: String, token: String },
    Certificate { certificate: Vec<u8>, key: Vec<u8> },
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Makes a kubeconfig, and prints it, or writes it to a file and prints what to try with it.
pub fn run(
    settings: &ServeConfig,
    args: &KubeconfigArgs,
    out: &mut impl Write,
) -> Result<(), KubeconfigError> {
    let config = Kubeconfig::from_settings(settings, args)?;
    let text = config.text();
    config.warn();
    let said = match &args.output {
        None => text,
        Some(file) => {
            write_new(file, &text)?;
            config.next_steps(file)
        }
    };
    out.write_all(said.as_bytes()).and_then(|()| out.flush()).map_err(KubeconfigError::Print)
}

impl Kubeconfig {
    fn from_settings(
        settings: &ServeConfig,
        args: &KubeconfigArgs,
    ) -> Result<Self, KubeconfigError> {
        Ok(Self {
            server: match &args.server {
                Some(server) => server.clone(),
                None => address(settings)?,
            },
            ca: ca(settings, args)?,
            credential: Credential::from_settings(settings, args)?,
            namespace: args.namespace.clone(),
        })
    }

    /// YAML, whose texts are written as JSON writes them, so that no name can be taken for
    /// something else.
    fn text(&self) -> String {
        let user = quoted(self.credential.name());
        let server = quoted(&self.server);
        let ca = self.ca.as_ref().map(|ca| line("certificate-authority-data", &encoded(ca)));
        let namespace = self.namespace.as_ref().map(|name| line("namespace", name));
        let (ca, namespace) = (ca.unwrap_or_default(), namespace.unwrap_or_default());
        let credential = match &self.credential {
            Credential::None => " {}\n".to_owned(),
            Credential::Token { token, .. } => format!("\n{}", line("token", token)),
            Credential::Certificate { certificate, key } => format!(
                "\n{}{}",
                line("client-certificate-data", &encoded(certificate)),
                line("client-key-data", &encoded(key))
            ),
        };
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             current-context: pintle\n\
             clusters:\n\
             - name: pintle\n\
             \x20 cluster:\n\
             \x20   server: {server}\n\
             {ca}\
             contexts:\n\
             - name: pintle\n\
             \x20 context:\n\
             \x20   cluster: pintle\n\
             \x20   user: {user}\n\
             {namespace}\
             users:\n\
             - name: {user}\n\
             \x20 user:{credential}"
        )
    }

    fn warn(&self) {
        let shows = !matches!(self.credential, Credential::None);
        if shows && self.server.starts_with("http:") {
            let said = "kubectl shows neither tokens nor certificates over plain http; start the \
                        server with --tls-self-signed or a certificate, and use its https address";
            drop(writeln!(io::stderr(), "warning: {said}"));
        }
    }

    fn next_steps(&self, file: &Path) -> String {
        let (user, server) = (self.credential.name(), &self.server);
        let shown = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        format!(
            "{} is for {user} at {server}.\n\nTry:\n\n  \
             export KUBECONFIG={}\n  kubectl api-resources\n  kubectl get namespaces\n",
            file.display(),
            shown.display(),
        )
    }
}

impl Credential {
    fn from_settings(
        settings: &ServeConfig,
        args: &KubeconfigArgs,
    ) -> Result<Self, KubeconfigError> {
        if let (Some(certificate), Some(key)) = (&args.client_certificate, &args.client_key) {
            let certificate = read_pem(certificate, "the client certificate")?;
            return Ok(Self::Certificate { certificate, key: read_pem(key, "its private key")? });
        }
        match (&settings.tokens, &args.user) {
            (Some(file), user) => Self::from_tokens(file, user.as_deref()),
            (None, Some(user)) => Err(KubeconfigError::NoTokens(user.clone())),
            (None, None) => Ok(Self::None),
        }
    }

    fn from_tokens(file: &Path, user: Option<&str>) -> Result<Self, KubeconfigError> {
        let text = input_file::read_text(file).map_err(unreadable(file, "the token file"))?;
        let tokens = tokens_in(&text)
            .map_err(|problem| KubeconfigError::Tokens { file: file.to_owned(), problem })?;
        let known = names(&tokens);
        let user = match user {
            Some(user) => user.to_owned(),
            None if known.len() > 1 => {
                let known = some_of(&known);
                return Err(KubeconfigError::WhichUser { file: file.to_owned(), known });
            }
            None => match known.first() {
                Some(only) => (*only).to_owned(),
                None => return Ok(Self::None),
            },
        };
        // The newest: `pintle token` appends.
        let Some((token, _)) = tokens.iter().rfind(|(_, holder)| *holder == user) else {
            let known = some_of(&known);
            return Err(KubeconfigError::NoSuchUser { file: file.to_owned(), user, known });
        };
        Ok(Self::Token { token: token.clone(), user })
    }

    fn name(&self) -> &str {
        match self {
            Self::None => "anonymous",
            Self::Token { user, .. } => user,
            Self::Certificate { .. } => "certificate",
        }
    }
}

fn address(settings: &ServeConfig) -> Result<String, KubeconfigError> {
    let mut address = settings.listen;
    if address.port() == 0 {
        return Err(KubeconfigError::NoPort);
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let encrypts = settings.tls.tls_self_signed || settings.tls.tls_cert.is_some();
    let scheme = if encrypts { "https" } else { "http" };
    Ok(format!("{scheme}://{address}"))
}

fn ca(settings: &ServeConfig, args: &KubeconfigArgs) -> Result<Option<Vec<u8>>, KubeconfigError> {
    if let Some(file) = &args.certificate_authority {
        return read_pem(file, "the certificates to believe").map(Some);
    }
    if !settings.tls.tls_self_signed {
        return Ok(None);
    }
    let file = settings.data_dir.join("tls").join("ca.crt");
    match read_pem(&file, "the server's own CA") {
        Err(KubeconfigError::Unreadable { source, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            Err(KubeconfigError::NoCa(file))
        }
        read => read.map(Some),
    }
}

/// Certificates and keys are small.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

fn read_pem(file: &Path, what: &'static str) -> Result<Vec<u8>, KubeconfigError> {
    let text = input_file::read(file, FILE_BYTES_MAX).map_err(unreadable(file, what))?;
    let is_pem = text.windows(11).any(|window| window == b"-----BEGIN ");
    if is_pem { Ok(text) } else { Err(KubeconfigError::NotPem(file.to_owned())) }
}

fn unreadable(file: &Path, what: &'static str) -> impl FnOnce(io::Error) -> KubeconfigError {
    let file = file.to_owned();
    move |source| KubeconfigError::Unreadable { file, what, source }
}

fn names(tokens: &[(String, String)]) -> Vec<&str> {
    let mut names: Vec<&str> = tokens.iter().map(|(_, user)| user.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// So many users are named in a message.
const NAMES_SHOWN: usize = 8;

fn some_of(names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMES_SHOWN);
    let shown = names.iter().take(NAMES_SHOWN).copied().collect::<Vec<_>>().join(", ");
    match (names.is_empty(), more) {
        (true, _) => "nobody".to_owned(),
        (false, 0) => shown,
        (false, more) => format!("{shown} and {more} more"),
    }
}

fn line(name: &str, value: &str) -> String {
    format!("    {name}: {}\n", quoted(value))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

fn write_new(file: &Path, text: &str) -> Result<(), KubeconfigError> {
    let mut open = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(
        |source| match source.kind() {
            io::ErrorKind::AlreadyExists => KubeconfigError::Exists(file.to_owned()),
            _ => KubeconfigError::Unwritable { file: file.to_owned(), source },
        },
    )?;
    let written = open.write_all(text.as_bytes()).and_then(|()| open.sync_all());
    written.map_err(|source| KubeconfigError::Unwritable { file: file.to_owned(), source })
}

/// The address of a server, without a slash at its end.
fn server_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match rest {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err("expected an address such as https://pintle.example.com:8080".to_owned()),
    }
}

#[cfg(test)]
mod tests;
