//! The floor under every comparison: a hyper server with a Pintle server's settings that reads a
//! request and answers a constant.
//!
//! What it reaches is what this machine, this generator and hyper reach together; a real server can
//! only be slower. It runs as a process of its own ([`command`]), so that its CPU time can be told
//! from the generator's.

use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use crate::connection::drain;
use crate::error::{BenchError, Result};
use crate::objects::Created;
use crate::output::{progress, report};

/// This program again, as a constant server.
pub(crate) fn command(answer_bytes: usize) -> Result<Command> {
    let program = std::env::current_exe()
        .map_err(|source| BenchError::io("cannot find this program", source))?;
    let mut command = Command::new(program);
    command.args(["constant-server", "--answer-bytes", &answer_bytes.to_string()]);
    Ok(command)
}

/// Objects to ask a constant server for: it answers whatever the path.
pub(crate) fn objects(count: usize) -> Vec<Created> {
    let object = |index| Created {
        path: format!("/devices/constant-{index}"),
        etag: HeaderValue::from_static("\"1\""),
    };
    (0..count).map(object).collect()
}

/// Serves a constant of so many bytes on any free port, until the parent process goes away.
pub(crate) async fn serve(answer_bytes: usize) -> Result<()> {
    let failed = |source| BenchError::io("cannot listen on 127.0.0.1", source);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    report(&format!("http://{}\n", listener.local_addr().map_err(failed)?))?;
    let answer = constant(answer_bytes);
    tokio::select! {
        () = accept(&listener, &answer) => Ok(()),
        () = parent_gone() => Ok(()),
    }
}

/// A JSON text of exactly so many bytes, of which there must be at least two.
fn constant(bytes: usize) -> Bytes {
    format!("\"{}\"", "x".repeat(bytes.saturating_sub(2))).into()
}

async fn accept(listener: &TcpListener, answer: &Bytes) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, answer.clone()))),
            Err(error) => progress(format_args!("constant server: cannot accept: {error}")),
        }
    }
}

async fn connection(stream: TcpStream, answer: Bytes) {
    let service = service_fn(|request| respond(request, answer.clone()));
    // A connection that breaks is the client's to report.
    if stream.set_nodelay(true).is_ok() {
        drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
    }
}

async fn respond(
    request: Request<Incoming>,
    answer: Bytes,
) -> std::result::Result<Response<Full<Bytes>>, hyper::Error> {
    drain(request.into_body()).await?;
    let mut response = Response::new(Full::new(answer));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ETAG, HeaderValue::from_static("\"1\""));
    Ok(response)
}

/// The parent holds the other end of our stdin and writes nothing.
async fn parent_gone() {
    let mut buffer = [0; 64];
    while matches!(tokio::io::stdin().read(&mut buffer).await, Ok(bytes) if bytes > 0) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constant_is_json_of_the_wanted_size() {
        for bytes in [2, 3, 1_800] {
            let text = constant(bytes);
            assert_eq!(text.len(), bytes);
            assert!(serde_json::from_slice::<String>(&text).is_ok());
        }
    }
}
