//! The body of a request, from a sender that may be slow on purpose.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::body::{Bytes, HttpBody};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use super::limits::Limits;

/// The body comes too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the body of the request comes too slowly")]
pub(super) struct TooSlow;

/// A body that ends in an error when the server has waited too long for it: all in all, the time of
/// [`Limits::body_timeout`] and a second more for every [`Limits::body_pace_min`] bytes that came.
///
/// Only waiting counts, so that a server that is busy blames nobody; and nobody earns more than another
/// [`Limits::body_timeout`], so that after much has come a stop is still noticed.
pub(super) struct Paced<B> {
    body: B,
    pace: Pace,
    /// Runs while the sender is waited for, since the moment beside it.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    /// Told to whoever answers the request.
    late: Arc<AtomicBool>,
}

/// How much longer may be waited.
#[derive(Debug)]
struct Pace {
    left: Duration,
    most: Duration,
    bytes_per_second: f64,
}

impl Pace {
    fn new(limits: &Limits) -> Self {
        let most = limits.body_timeout;
        Self { left: most, most, bytes_per_second: f64::from(limits.body_pace_min.max(1)) }
    }

    /// Takes what was waited, and gives for what has come.
    fn account(&mut self, waited: Duration, bytes: usize) {
        let earned = Duration::from_secs_f64((bytes as f64 / self.bytes_per_second).min(1e6));
        self.left = self.left.saturating_sub(waited).saturating_add(earned).min(self.most);
    }
}

impl<B> Paced<B> {
    pub(super) fn new(body: B, limits: &Limits, late: Arc<AtomicBool>) -> Self {
        Self { body, pace: Pace::new(limits), waiting: None, late }
    }
}

impl<B> HttpBody for Paced<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) {
            let waited = this.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            this.pace.account(waited, data.map_or(0, Bytes::len));
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = this.pace.left;
        let (_, alarm) =
            this.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        std::task::ready!(alarm.as_mut().poll(context));
        this.late.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(TooSlow.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_may_go_on_and_who_drips_may_not() {
        let limits =
            Limits { body_timeout: Duration::from_secs(30), body_pace_min: 1000, ..Limits::default() };
        let seconds = Duration::from_secs;
        let mut steady = Pace::new(&limits);
        for _ in 0..1000 {
            steady.account(seconds(1), 1000);
        }
        assert_eq!(steady.left, seconds(30));
        let mut dripping = Pace::new(&limits);
        for _ in 0..30 {
            dripping.account(seconds(1), 1);
        }
        assert!(dripping.left < seconds(1), "{dripping:?}");
        let mut generous = Pace::new(&limits);
        generous.account(seconds(1), usize::MAX);
        assert_eq!(generous.left, seconds(30), "nobody saves up for a stop");
    }
}
