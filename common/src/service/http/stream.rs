//! A stream that fails when the other side takes what is written too slowly.
//!
//! hyper bounds the reading of a head but no writing: without this, clients that ask and never read, or read a byte now and
//! then, would hold their places for ever.
//!
//! An answer is written whole and then flushed, so from the first of its bytes to the flush is how long a client takes for
//! it. A stream of events is flushed after each of them: as long as events are taken as fast as they come, it may last.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How slowly a client may read.
#[derive(Clone, Copy, Debug)]
pub(super) struct WriteLimits {
    /// Time to take some more.
    pub(super) some: Duration,
    /// Time to take everything that waits: an answer, or the events that have come meanwhile.
    pub(super) all: Duration,
}

/// `S`, whose writes fail with `TimedOut` when a limit is passed.
pub(super) struct WriteBounded<S> {
    stream: S,
    limits: WriteLimits,
    /// When the first of the bytes was written that are not flushed yet.
    unflushed_since: Option<Instant>,
    /// Set while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteBounded<S> {
    pub(super) fn new(stream: S, limits: WriteLimits) -> Self {
        Self { stream, limits, unflushed_since: None, deadline: None }
    }

    /// Passes on what a write came to, and looks at the clock while it waits.
    fn bound<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let now = Instant::now();
        let since = *self.unflushed_since.get_or_insert(now);
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let limits = self.limits;
        let next = || Box::pin(sleep_until((now + limits.some).min(since + limits.all)));
        let deadline = self.deadline.get_or_insert_with(next);
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => {
                // Failed for good: whoever asks again is told again.
                deadline.as_mut().reset(now);
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes the answer too slowly")))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteBounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteBounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.bound(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.bound(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        let flushed = self.bound(context, flushed);
        if flushed.is_ready() {
            self.unflushed_since = None;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.bound(context, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::{Instant, interval};

    use super::*;

    const LIMITS: WriteLimits = WriteLimits { some: Duration::from_secs(10), all: Duration::from_secs(30) };

    /// A stream whose other end holds so many bytes that nobody has read.
    fn stream(held_bytes: usize) -> (WriteBounded<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(held_bytes);
        (WriteBounded::new(near, LIMITS), far)
    }

    /// Reads a byte every nine seconds until there are no more.
    async fn drip(mut reader: DuplexStream) {
        let mut ticks = interval(Duration::from_secs(9));
        let mut byte = [0];
        while matches!(reader.read(&mut byte).await, Ok(1)) {
            ticks.tick().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_given_up() {
        let (mut stream, _deaf) = stream(1);
        let began = Instant::now();
        let error = stream.write_all(b"answer").await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_byte_now_and_then_is_given_up_all_the_same() {
        let (mut stream, reader) = stream(1);
        let reading = tokio::spawn(drip(reader));
        let began = Instant::now();
        let error = stream.write_all(&[b'x'; 1_000]).await.unwrap_err();
        assert_eq!((error.kind(), began.elapsed().as_secs()), (io::ErrorKind::TimedOut, 30));
        drop(stream);
        reading.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn events_that_are_taken_as_they_come_may_go_on_for_hours() {
        let (mut stream, mut reader) = stream(8);
        let reading = tokio::spawn(async move {
            let mut taken = Vec::new();
            reader.read_to_end(&mut taken).await.map(|_| taken.len())
        });
        let mut ticks = interval(Duration::from_secs(1));
        for _ in 0..10_000 {
            ticks.tick().await;
            stream.write_all(b"data: an event\n\n").await.unwrap();
            stream.flush().await.unwrap();
        }
        drop(stream);
        assert_eq!(reading.await.unwrap().unwrap(), 10_000 * b"data: an event\n\n".len());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_events_more_slowly_than_they_come_is_given_up() {
        let (mut stream, reader) = stream(8);
        let reading = tokio::spawn(drip(reader));
        let mut ticks = interval(Duration::from_secs(1));
        let failed = loop {
            ticks.tick().await;
            if let Err(error) = stream.write_all(b"data: an event\n\n").await {
                break error.kind();
            }
            // As hyper does: what could not be written whole is not flushed.
        };
        assert_eq!(failed, io::ErrorKind::TimedOut);
        drop(stream);
        reading.await.unwrap();
    }
}
