//! One connection to a node for one lane: what callers put in, and how it fails.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{self, BoxFuture, FutureExt};
use futures_util::stream::Stream;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::calls::{Answer, Calls};
use super::connection::{self, Destination};
use super::frame::{Kind, Message, Messages};
use super::outgoing::Outgoing;
use super::{CallError, NetworkOptions};

/// A link: a task that connects when there is something to send, and the calls that wait for it.
///
/// Dropped, it takes the task along and fails the calls.
#[derive(Debug)]
pub(super) struct Link {
    shared: Arc<Shared>,
    // Held to be dropped.
    _task: JoinSet<()>,
}

impl Link {
    /// A link that is not connected yet; its task runs on `runtime`.
    pub(super) fn new(destination: Destination, runtime: &Handle) -> Self {
        let shared = Arc::new(Shared {
            address: destination.address.clone(),
            options: destination.options.clone(),
            state: Mutex::default(),
        });
        let mut task = JoinSet::new();
        task.spawn_on(connection::run(shared.clone(), destination), runtime);
        Self { shared, _task: task }
    }

    /// Where it leads.
    pub(super) fn address(&self) -> &Arc<str> {
        &self.shared.address
    }

    /// Queues a request at once; the future waits for its answer.
    pub(super) fn call(
        &self,
        request: Bytes,
        timeout: Duration,
        runtime: &Handle,
    ) -> BoxFuture<'static, Result<Bytes, CallError>> {
        let (answer, answered) = oneshot::channel();
        let call = match self.shared.enqueue(request, answer) {
            Ok(call) => call,
            Err(error) => return future::ready(Err(error)).boxed(),
        };
        let mut ticket = Ticket { shared: self.shared.clone(), call, done: false };
        // So that the caller may wait on any runtime or none.
        let _entered = runtime.enter();
        let deadline = tokio::time::sleep(timeout);
        async move {
            tokio::select! {
                biased;
                answer = answered => {
                    ticket.settle();
                    answer.unwrap_or(Err(CallError::Stopped { maybe_sent: true }))
                }
                () = deadline => {
                    let maybe_sent = ticket.give_up();
                    Err(CallError::TimedOut { address: ticket.shared.address.to_string(), timeout, maybe_sent })
                }
            }
        }
        .boxed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.fail(&Failure::Stopped);
    }
}

/// A call whose future lives; dropped before its answer, what was not sent will not be.
struct Ticket {
    shared: Arc<Shared>,
    call: u64,
    done: bool,
}

impl Ticket {
    /// The call has ended by itself.
    fn settle(&mut self) {
        self.done = true;
    }

    /// Ends the waiting; says whether the request was sent.
    fn give_up(&mut self) -> bool {
        self.done = true;
        // Taken by somebody else: its answer, or its failure, is on the way.
        self.shared.state.lock().calls.take(self.call).is_none_or(|waiting| waiting.sent)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.done {
            self.give_up();
        }
    }
}

/// Why a connection is no more, or never was.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It broke, or did not come about.
    Unreachable(String),
    /// The greeting was not liked, there or here.
    Refused(String),
    /// The link was given up: its node is elsewhere, or we stop.
    Stopped,
}

impl Failure {
    fn error(&self, address: &str, maybe_sent: bool) -> CallError {
        let address = address.to_owned();
        match self {
            Self::Unreachable(reason) => {
                CallError::Unreachable { address, reason: reason.clone(), maybe_sent }
            }
            Self::Refused(reason) => CallError::Refused { address, reason: reason.clone() },
            Self::Stopped => CallError::Stopped { maybe_sent },
        }
    }
}

/// What callers and the task of a link share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: Arc<str>,
    pub(super) options: Arc<NetworkOptions>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: Calls,
    outgoing: Outgoing,
    /// Counts connections, so that what is left of an old one takes nothing meant for a new one.
    connection: u64,
    /// Whether the greeting was answered, and requests may go out.
    open: bool,
    /// Why calls are refused for the moment.
    down: Option<Failure>,
}

impl Shared {
    fn enqueue(&self, request: Bytes, answer: Answer) -> Result<u64, CallError> {
        if request.len() > self.options.message_bytes_max {
            return Err(CallError::TooLarge {
                what: "request",
                bytes: request.len() as u64,
                bytes_max: self.options.message_bytes_max as u64,
                maybe_sent: false,
            });
        }
        let (call, sender) = {
            let mut state = self.state.lock();
            if let Some(failure) = &state.down {
                return Err(failure.error(&self.address, false));
            }
            // A request larger than the bound goes alone.
            let bytes = state.outgoing.bytes();
            if state.calls.len() >= self.options.calls_max
                || bytes > 0 && bytes.saturating_add(request.len()) > self.options.queue_bytes_max
            {
                return Err(CallError::Busy { address: self.address.to_string() });
            }
            let call = state.calls.insert(answer);
            (call, state.outgoing.push(Message { call, kind: Kind::Body, body: request }))
        };
        wake(sender);
        Ok(call)
    }

    /// Waits until there is something to send.
    pub(super) async fn demand(&self) {
        future::poll_fn(|context| {
            let mut state = self.state.lock();
            if state.outgoing.is_empty() {
                state.outgoing.wait(context.waker());
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// The requests for a new connection; none of them before it is [opened](Self::open).
    pub(super) fn requests(self: &Arc<Self>) -> Requests {
        let mut state = self.state.lock();
        state.connection += 1;
        state.open = false;
        Requests { shared: self.clone(), connection: state.connection }
    }

    /// Lets the requests go.
    pub(super) fn open(&self) {
        let sender = {
            let mut state = self.state.lock();
            state.open = true;
            state.outgoing.take_sender()
        };
        wake(sender);
    }

    /// Hands out the answers of a frame; the error says what is wrong with it.
    pub(super) fn answer(&self, mut answers: Messages) -> Result<(), String> {
        // One lock for many, and callers are woken without it.
        const AT_ONCE: usize = 256;
        loop {
            let mut found = Vec::new();
            let mut end = false;
            {
                let mut state = self.state.lock();
                while found.len() < AT_ONCE {
                    let Some(answer) = answers.next().map_err(|error| error.to_string())? else {
                        end = true;
                        break;
                    };
                    // One that nobody waits for any more is forgotten.
                    found.extend(state.calls.take(answer.call).map(|waiting| (waiting, answer)));
                }
            }
            for (waiting, answer) in found {
                // The caller may have gone in between.
                let _ = waiting.answer.send(self.result(answer));
            }
            if end {
                return Ok(());
            }
        }
    }

    fn result(&self, answer: Message) -> Result<Bytes, CallError> {
        match answer.kind {
            Kind::Body => Ok(answer.body),
            Kind::TooLarge => Err(CallError::TooLarge {
                what: "response",
                bytes: <[u8; 8]>::try_from(&*answer.body).map_or(0, u64::from_le_bytes),
                bytes_max: self.options.message_bytes_max as u64,
                maybe_sent: true,
            }),
        }
    }

    /// Ends the connection for all who wait; calls are refused until [`Self::up`].
    pub(super) fn fail(&self, failure: &Failure) {
        let (waiting, sender) = {
            let mut state = self.state.lock();
            state.connection += 1;
            state.open = false;
            state.down = Some(failure.clone());
            state.outgoing.clear();
            (state.calls.take_all(), state.outgoing.take_sender())
        };
        wake(sender);
        for call in waiting {
            let _ = call.answer.send(Err(failure.error(&self.address, call.sent)));
        }
    }

    /// Accepts calls again.
    pub(super) fn up(&self) {
        self.state.lock().down = None;
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The requests of one connection, in frames.
#[derive(Debug)]
pub(super) struct Requests {
    shared: Arc<Shared>,
    connection: u64,
}

impl Stream for Requests {
    type Item = Vec<Message>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Vec<Message>>> {
        let mut state = self.shared.state.lock();
        if state.connection != self.connection {
            return Poll::Ready(None);
        }
        if state.open {
            let State { calls, outgoing, .. } = &mut *state;
            let frame =
                outgoing.take_frame(self.shared.options.frame_bytes, |message| calls.send(message.call));
            if !frame.is_empty() {
                return Poll::Ready(Some(frame));
            }
        }
        state.outgoing.wait(context.waker());
        Poll::Pending
    }
}
