//! Tells whoever started this process how far it is, as `sd_notify` does: a datagram to the socket
//! that `NOTIFY_SOCKET` names. With systemd that is a unit of `Type=notify`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Requests are answered.
    Ready,
    /// On the way down: requests in progress finish.
    Stopping,
}

impl State {
    const fn message(self) -> &'static [u8] {
        match self {
            Self::Ready => b"READY=1",
            Self::Stopping => b"STOPPING=1",
        }
    }
}

/// Who started this process, if they want to hear from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServiceManager {
    socket: Option<OsString>,
}

impl ServiceManager {
    /// Somebody who listens at `socket`: a path, or an abstract name that begins with `@`.
    pub(crate) fn at(socket: Option<OsString>) -> Self {
        Self { socket: socket.filter(|socket| !socket.is_empty()) }
    }

    /// The one that the environment names.
    pub(crate) fn of_this_process() -> Self {
        Self::at(std::env::var_os("NOTIFY_SOCKET"))
    }

    /// Tells them. A manager that cannot be reached is a line in the log: it stops nothing.
    pub(crate) fn tell(&self, state: State) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, state.message()) {
            tracing::warn!(%error, ?socket, "the service manager cannot be told: {state:?}");
        }
    }
}

fn send(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let from = UnixDatagram::unbound()?;
    // A manager that does not read must not hold up the server.
    from.set_nonblocking(true)?;
    let sent = from.send_to_addr(message, &address(socket)?)?;
    if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn address(socket: &OsStr) -> io::Result<SocketAddr> {
    match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => abstract_address(name),
        None => SocketAddr::from_pathname(socket),
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt as _;
    SocketAddr::from_abstract_name(name)
}

/// Abstract names are Linux' own.
#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).expect("something was sent");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_manager_hears_how_far_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let told = ServiceManager::at(Some(path.into_os_string()));
        for (state, message) in [(State::Ready, "READY=1"), (State::Stopping, "STOPPING=1")] {
            told.tell(state);
            assert_eq!(heard(&manager), message);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_manager_may_have_an_abstract_name() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("pintle-test-{}", std::process::id());
        let bound = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&bound).unwrap();
        ServiceManager::at(Some(format!("@{name}").into())).tell(State::Ready);
        assert_eq!(heard(&manager), "READY=1");
    }

    #[test]
    fn nobody_and_somebody_who_has_gone_stop_nothing() {
        for socket in [None, Some("".into()), Some("/nowhere/at/all".into())] {
            ServiceManager::at(socket).tell(State::Ready);
        }
        let gone = send(OsStr::new("/nowhere/at/all"), b"READY=1");
        assert!(gone.is_err());
    }
}
