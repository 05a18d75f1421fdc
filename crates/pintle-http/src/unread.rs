//! Connections on which nothing is read any more.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection that fails when its peer takes nothing for too long of what there is for it.
///
/// A peer that hangs, or wants to, would keep its seat for ever, and with it whatever it is being
/// sent: the objects of a list, or a watch that outlives the rights of its caller.
#[derive(Debug)]
pub(crate) struct Unread<S> {
    stream: S,
    patience: Duration,
    /// While there is something that the peer does not take.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Unread<S> {
    pub(crate) const fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, stalled: None }
    }
}

impl<S: Unpin> Unread<S> {
    /// Goes on with the stream, which may have to wait for its peer; but not for ever.
    fn within_patience<T>(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let step = step(Pin::new(&mut self.stream), context);
        if step.is_ready() {
            self.stalled = None;
            return step;
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        let what = format!("nothing was read for {patience:?} of what there was to send");
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unread<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unread<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.within_patience(context, |stream, context| {
            AsyncWrite::poll_write(stream, context, bytes)
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.within_patience(context, |stream, context| stream.poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within_patience(context, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.within_patience(context, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_loses_the_connection() {
        let (mut ours, theirs) = tokio::io::duplex(16);
        let mut stream = Unread::new(theirs, PATIENCE);
        let began = Instant::now();
        stream.write_all(&[0; 16]).await.unwrap();
        let error = stream.write_all(&[0; 16]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed()), (io::ErrorKind::TimedOut, PATIENCE));
        ours.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(&[0; 16]).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_reads_slowly_keeps_it() {
        let (mut ours, theirs) = tokio::io::duplex(16);
        let mut stream = Unread::new(theirs, PATIENCE);
        let reading = tokio::spawn(async move {
            for _ in 0..8 {
                sleep(PATIENCE / 2).await;
                ours.read_exact(&mut [0; 16]).await.unwrap();
            }
        });
        stream.write_all(&[0; 128]).await.unwrap();
        reading.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_told_nothing_may_wait_for_ever() {
        let (mut ours, theirs) = tokio::io::duplex(16);
        let mut stream = Unread::new(theirs, PATIENCE);
        stream.flush().await.unwrap();
        sleep(PATIENCE * 100).await;
        stream.write_all(&[7; 16]).await.unwrap();
        let mut read = [0; 16];
        ours.read_exact(&mut read).await.unwrap();
        assert_eq!(read, [7; 16]);
    }
}
