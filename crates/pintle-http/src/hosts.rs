//! A server that asks for no credentials trusts whoever can reach it, so it must make sure that no
//! web page can: neither by a name of its own that points to this machine, nor by a request across
//! origins.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, Uri, Version};

/// The request was meant for, or came from, somewhere else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{header} {value:?} is not an address of this machine; a server that asks for no credentials \
     answers local requests only (start it with --tokens to serve others)"
)]
pub struct ForeignHost {
    /// `Host` or `Origin`.
    pub header: &'static str,
    /// What it says.
    pub value: String,
}

/// The request does not say which host it means, or says it more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a request of HTTP/1.1 has exactly one Host header")]
pub struct NotOneHost;

/// Refuses a request that could mean different hosts to different readers (RFC 9112, section 3.2).
pub fn check_host(headers: &HeaderMap, version: Version) -> Result<(), NotOneHost> {
    let one = headers.get_all(HOST).iter().count() == 1;
    if one || version != Version::HTTP_11 { Ok(()) } else { Err(NotOneHost) }
}

/// Refuses a request whose `Host` or `Origin` is not this machine.
pub fn check_local(headers: &HeaderMap, uri: &Uri) -> Result<(), ForeignHost> {
    let foreign =
        |header, value: &str| Err(ForeignHost { header, value: value.chars().take(200).collect() });
    if let Some(authority) = uri.authority()
        && !is_local(authority.as_str())
    {
        return foreign("Host", authority.as_str());
    }
    for host in headers.get_all(HOST) {
        let host = String::from_utf8_lossy(host.as_bytes());
        if !is_local(&host) {
            return foreign("Host", &host);
        }
    }
    for origin in headers.get_all(ORIGIN) {
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        if !authority.is_some_and(is_local) {
            return foreign("Origin", &origin);
        }
    }
    Ok(())
}

fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if port.is_empty() || is_port(port) => address,
            _ => return false,
        },
        None => match authority.rsplit_once(':') {
            Some((host, port)) if is_port_number(port) => host,
            Some(_) => return false,
            None => authority,
        },
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(is_port_number)
}

fn is_port_number(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for local in
            ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80"]
        {
            assert!(is_local(local), "{local}");
        }
        for foreign in [
            "example.io",
            "localhost.example.io",
            "127.0.0.1.example.io:80",
            "10.0.0.1",
            "[::2]",
            "",
            "null",
            "localhost:x",
        ] {
            assert!(!is_local(foreign), "{foreign}");
        }
    }
}
