//! Has the requests of one connection handled: begun in order of arrival, finished in any.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tonic::{Status, Streaming};

use super::outbox::Outbox;
use crate::network::frame::{Kind, Message, Messages};
use crate::network::{Handler, Lane, NetworkOptions};

/// Requests begun in one go before other tasks of the runtime have their turn.
const BEGIN_AT_ONCE: usize = 256;

/// The requests of one connection.
pub(super) struct Driver {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) lane: Lane,
    pub(super) options: Arc<NetworkOptions>,
    /// Where requests come from; none once they have ended.
    pub(super) inbound: Option<Streaming<Messages>>,
    /// Ready when the server wants no more requests.
    pub(super) finishing: BoxFuture<'static, ()>,
    pub(super) outbox: Arc<Outbox>,
    /// What is left of the frame that came last.
    pub(super) frame: Messages,
    pub(super) running: FuturesUnordered<Running>,
    pub(super) running_bytes: usize,
}

/// A request that is being handled.
pub(super) struct Running {
    call: u64,
    request_bytes: usize,
    answer: BoxFuture<'static, Bytes>,
}

/// An answer, and how large its request was.
pub(super) struct Handled {
    call: u64,
    request_bytes: usize,
    answer: Bytes,
}

impl Future for Running {
    type Output = Handled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Handled> {
        let answer = std::task::ready!(self.answer.poll_unpin(context));
        Poll::Ready(Handled { call: self.call, request_bytes: self.request_bytes, answer })
    }
}

/// Why no more requests were begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begun {
    /// Whoever has to come first will wake us.
    All,
    /// As many are handled as may be.
    Full,
    /// Other tasks should have their turn.
    Enough,
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.inbound.is_some() && this.finishing.poll_unpin(context).is_ready() {
            this.inbound = None;
        }
        let mut answers = Vec::new();
        this.finish(context, &mut answers);
        let begun = this.begin(context, &mut answers);
        // What was begun has to be polled by what will wake us for it.
        this.finish(context, &mut answers);
        if !answers.is_empty() {
            this.outbox.push(answers.into_iter());
        }
        if this.inbound.is_none() && this.frame.is_empty() && this.running.is_empty() {
            this.outbox.end(Ok(()));
            return Poll::Ready(());
        }
        if begun == Begun::Enough || begun == Begun::Full && !this.is_full() {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl Driver {
    fn finish(&mut self, context: &mut Context<'_>, answers: &mut Vec<Message>) {
        while let Poll::Ready(Some(handled)) = self.running.poll_next_unpin(context) {
            self.running_bytes -= handled.request_bytes;
            answers.push(self.answer(handled));
        }
    }

    fn is_full(&self) -> bool {
        self.running.len() >= self.options.requests_in_flight_max
            || self.running_bytes >= self.options.requests_in_flight_bytes_max
    }

    /// Begins requests that have arrived, within the bounds.
    fn begin(&mut self, context: &mut Context<'_>, answers: &mut Vec<Message>) -> Begun {
        let (count, bytes) = (self.options.requests_in_flight_max, self.options.requests_in_flight_bytes_max);
        if !self.outbox.has_room(count, bytes, context.waker()) {
            return Begun::All;
        }
        for _ in 0..BEGIN_AT_ONCE {
            if self.is_full() {
                return Begun::Full;
            }
            match self.next(context) {
                Poll::Ready(Ok(Some(request))) => self.handle(request, context, answers),
                Poll::Ready(Ok(None)) | Poll::Pending => return Begun::All,
                Poll::Ready(Err(status)) => {
                    // Nobody is left to be answered.
                    self.inbound = None;
                    self.frame = Messages::default();
                    self.running.clear();
                    self.running_bytes = 0;
                    self.outbox.end(Err(status));
                    return Begun::All;
                }
            }
        }
        Begun::Enough
    }

    fn next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        loop {
            let next = self.frame.next().map_err(|error| Status::invalid_argument(error.to_string()))?;
            if let Some(message) = next {
                return Poll::Ready(Ok(Some(message)));
            }
            let Some(inbound) = &mut self.inbound else { return Poll::Ready(Ok(None)) };
            match std::task::ready!(inbound.poll_next_unpin(context)) {
                Some(Ok(frame)) => self.frame = frame,
                Some(Err(status)) => return Poll::Ready(Err(status)),
                None => self.inbound = None,
            }
        }
    }

    /// Begins a request: its first poll is here and now, whatever waits before it.
    fn handle(&mut self, request: Message, context: &mut Context<'_>, answers: &mut Vec<Message>) {
        let request_bytes = request.bytes();
        let answer = self.handler.handle(self.lane, request.body);
        let mut running = Running { call: request.call, request_bytes, answer };
        match running.poll_unpin(context) {
            Poll::Ready(handled) => answers.push(self.answer(handled)),
            Poll::Pending => {
                self.running_bytes += request_bytes;
                self.running.push(running);
            }
        }
    }

    fn answer(&self, handled: Handled) -> Message {
        let Handled { call, answer, .. } = handled;
        if answer.len() > self.options.message_bytes_max {
            let size = answer.len() as u64;
            let body = Bytes::copy_from_slice(&size.to_le_bytes());
            return Message { call, kind: Kind::TooLarge, body };
        }
        Message { call, kind: Kind::Body, body: answer }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // After a panic of the handler nobody else would say so.
        self.outbox.end(Err(Status::internal("the connection is no longer served")));
    }
}
