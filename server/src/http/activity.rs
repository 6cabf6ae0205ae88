//! Whether a connection does anything: requests that are being answered, and bytes that are being taken.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::limits::Limits;

/// How long a connection that nobody uses may take to say goodbye.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a connection does; clones are the same connection.
#[derive(Clone, Debug)]
pub(super) struct Activity(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Requests whose answers are not finished.
    requests: usize,
    /// Whether there was any.
    asked: bool,
    /// When something last ended: the beginning, an answer, a write.
    since: Instant,
    /// From when on the reader has taken nothing of what is to be written.
    blocked: Option<Instant>,
}

/// Why a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Nobody asks anything.
    Idle,
    /// Nobody reads the answer.
    Unread,
}

impl Activity {
    pub(super) fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State { requests: 0, asked: false, since: now, blocked: None })))
    }

    /// Until when the connection may go on like this, if it is `closing` since some moment or not; `None`
    /// while a request is being answered.
    pub(super) fn deadline(&self, limits: &Limits, closing: Option<Instant>) -> Option<(Instant, Late)> {
        let state = self.0.lock();
        let idle = match closing {
            Some(closing) => closing.max(state.since) + CLOSE_TIMEOUT,
            None if state.asked => state.since + limits.idle_timeout,
            None => state.since + limits.header_timeout,
        };
        match state.blocked {
            Some(blocked) => Some((blocked + limits.write_timeout, Late::Unread)),
            None => (state.requests == 0).then_some((idle, Late::Idle)),
        }
    }

    /// Whether it has answered all that was asked, and was asked something.
    pub(super) fn is_spare(&self) -> bool {
        let state = self.0.lock();
        state.asked && state.requests == 0 && state.blocked.is_none()
    }

    /// Counts a request until its [`Answering`] is dropped.
    pub(super) fn begin(&self) -> Answering {
        let mut state = self.0.lock();
        state.requests += 1;
        state.asked = true;
        Answering(self.clone())
    }

    fn wrote<T>(&self, written: &Poll<T>) {
        let mut state = self.0.lock();
        match written {
            Poll::Ready(_) => {
                state.since = Instant::now();
                state.blocked = None;
            }
            Poll::Pending => {
                state.blocked.get_or_insert_with(Instant::now);
            }
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.requests = state.requests.saturating_sub(1);
        state.since = Instant::now();
    }
}

/// The body of an answer; the request counts until it is gone.
pub(super) struct Answer {
    pub(super) body: Body,
    pub(super) _answering: Answering,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A TCP connection whose writes are watched.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) stream: TcpStream,
    pub(super) activity: Activity,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.activity.wrote(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.activity.wrote(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_there_unless_something_is_being_answered() {
        let began = Instant::now();
        let limits = Limits::default();
        let activity = Activity::new(began);
        assert_eq!(activity.deadline(&limits, None), Some((began + limits.header_timeout, Late::Idle)));
        assert!(!activity.is_spare(), "it was asked nothing");
        let (first, second) = (activity.begin(), activity.begin());
        assert_eq!(activity.deadline(&limits, None), None);
        drop(first);
        assert_eq!(activity.deadline(&limits, None), None);
        drop(second);
        let (deadline, late) = activity.deadline(&limits, None).unwrap();
        assert!(late == Late::Idle && deadline >= began + limits.idle_timeout && activity.is_spare());
        let answering = activity.begin();
        activity.wrote(&Poll::<()>::Pending);
        let (deadline, late) = activity.deadline(&limits, None).unwrap();
        assert!(late == Late::Unread && deadline > Instant::now() + limits.write_timeout / 2);
        // It begins with the first write that waits.
        activity.wrote(&Poll::<()>::Pending);
        assert_eq!(activity.deadline(&limits, None), Some((deadline, Late::Unread)));
        activity.wrote(&Poll::Ready(()));
        assert_eq!(activity.deadline(&limits, None), None);
        drop(answering);
    }
}
