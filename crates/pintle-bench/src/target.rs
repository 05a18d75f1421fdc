//! Which server to load. Only one on this machine: a load generator is not for other people's.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;

use http::{HeaderValue, Uri};

use crate::endpoint::Endpoint;
use crate::error::BenchError;

/// A server on this machine, given as `http://127.0.0.1:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Where to connect to.
    pub(crate) endpoint: Endpoint,
    /// What goes into `Host`.
    pub(crate) host: HeaderValue,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("not a URL: {error}"))?;
        if uri.scheme_str() != Some("http") {
            return Err("only http:// is spoken here, as in http://127.0.0.1:8080".to_owned());
        }
        if !matches!(uri.path_and_query().map(http::uri::PathAndQuery::as_str), None | Some("/")) {
            return Err("give the server's address only, without a path".to_owned());
        }
        let authority = uri.authority().ok_or("the host is missing")?;
        let address =
            SocketAddr::new(loopback(authority.host())?, authority.port_u16().unwrap_or(80));
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        Ok(Self { endpoint: Endpoint::plain(address), host })
    }
}

fn loopback(host: &str) -> Result<IpAddr, String> {
    if host == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => Ok(address),
        _ => Err(format!("{host} is not this machine; only 127.0.0.1, [::1] and localhost are")),
    }
}

impl Target {
    /// The same server over TLS, trusted through a PEM file of authorities.
    pub(crate) fn over_tls(self, authorities: &Path) -> Result<Self, BenchError> {
        Ok(Self { endpoint: self.endpoint.trusting(authorities)?, ..self })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_are_taken() {
        let cases = [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("http://localhost", "127.0.0.1:80"),
            ("http://[::1]:9", "[::1]:9"),
        ];
        for (url, address) in cases {
            let target: Target = url.parse().unwrap();
            assert_eq!(target.endpoint.address, address.parse().unwrap(), "{url}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_the_reason() {
        let cases = [
            ("https://127.0.0.1", "only http://"),
            ("http://192.168.0.1:8080", "not this machine"),
            ("http://example.org", "not this machine"),
            ("http://127.0.0.1:8080/devices", "without a path"),
            ("127.0.0.1:8080", "only http://"),
            ("http:// x", "not a URL"),
        ];
        for (url, reason) in cases {
            let error = url.parse::<Target>().unwrap_err();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
