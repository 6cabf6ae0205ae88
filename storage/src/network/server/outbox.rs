//! Answers of a connection that wait to be sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::Stream;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tonic::Status;

use crate::network::frame::Message;
use crate::network::outgoing::Outgoing;

/// Answers on their way from the driver of a connection to whoever sends them.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    outgoing: Outgoing,
    /// The driver, if it waits for room.
    driver: Option<Waker>,
    /// Set when no more answers come, and why.
    end: Option<Result<(), Status>>,
}

impl Outbox {
    /// Adds answers.
    pub(super) fn push(&self, answers: impl Iterator<Item = Message>) {
        let mut sender = None;
        {
            let mut state = self.state.lock();
            for answer in answers {
                sender = state.outgoing.push(answer).or(sender);
            }
        }
        if let Some(sender) = sender {
            sender.wake();
        }
    }

    /// Whether fewer answers than this wait; if not, the driver is woken when some were sent.
    pub(super) fn has_room(&self, count: usize, bytes: usize, driver: &Waker) -> bool {
        let mut state = self.state.lock();
        let room = state.outgoing.len() < count && state.outgoing.bytes() < bytes;
        if !room {
            state.driver = Some(driver.clone());
        }
        room
    }

    /// Says that no more answers come; the first to say so is believed.
    pub(super) fn end(&self, why: Result<(), Status>) {
        let sender = {
            let mut state = self.state.lock();
            state.end.get_or_insert(why);
            state.outgoing.take_sender()
        };
        if let Some(sender) = sender {
            sender.wake();
        }
    }
}

/// The answers of one connection, in frames; holds the task that drives the requests.
pub(super) struct Answers {
    outbox: Arc<Outbox>,
    frame_bytes: usize,
    _driver: JoinSet<()>,
}

impl Answers {
    /// Those in `outbox`; `driver` is dropped with them.
    pub(super) fn new(outbox: Arc<Outbox>, frame_bytes: usize, driver: JoinSet<()>) -> Self {
        Self { outbox, frame_bytes, _driver: driver }
    }
}

impl Stream for Answers {
    type Item = Result<Vec<Message>, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.outbox.state.lock();
        if state.outgoing.is_empty() {
            return match &state.end {
                None => {
                    state.outgoing.wait(context.waker());
                    Poll::Pending
                }
                Some(Ok(())) => Poll::Ready(None),
                Some(Err(status)) => {
                    let status = status.clone();
                    // Said once.
                    state.end = Some(Ok(()));
                    Poll::Ready(Some(Err(status)))
                }
            };
        }
        let frame = state.outgoing.take_frame(self.frame_bytes, |_| true);
        let driver = state.driver.take();
        drop(state);
        if let Some(driver) = driver {
            driver.wake();
        }
        Poll::Ready(Some(Ok(frame)))
    }
}
