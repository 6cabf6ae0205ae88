//! What waits to be sent on a connection, taken in frames.

use std::collections::VecDeque;
use std::task::Waker;

use super::frame::Message;

/// Messages that wait; whoever sends takes all that fit a frame, so that the busier a connection is, the
/// more of them share the cost of sending.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    messages: VecDeque<Message>,
    bytes: usize,
    sender: Option<Waker>,
}

impl Outgoing {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Bytes of those that wait.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether none waits.
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Adds one; the waker, if any, is to be woken once no lock is held.
    #[must_use]
    pub(super) fn push(&mut self, message: Message) -> Option<Waker> {
        self.bytes += message.bytes();
        self.messages.push_back(message);
        self.sender.take()
    }

    /// Remembers who sends, to be woken by the next message.
    pub(super) fn wait(&mut self, sender: &Waker) {
        match &mut self.sender {
            Some(known) => known.clone_from(sender),
            none => *none = Some(sender.clone()),
        }
    }

    /// Who sends, to be woken for another reason.
    pub(super) fn take_sender(&mut self) -> Option<Waker> {
        self.sender.take()
    }

    /// Takes up to `bytes_max` of those that `wanted` still wants, or a single larger one.
    pub(super) fn take_frame(
        &mut self,
        bytes_max: usize,
        mut wanted: impl FnMut(&Message) -> bool,
    ) -> Vec<Message> {
        let mut frame = Vec::new();
        let mut bytes = 0_usize;
        while let Some(next) = self.messages.front() {
            if !frame.is_empty() && bytes + next.bytes() > bytes_max {
                break;
            }
            let Some(message) = self.messages.pop_front() else { break };
            self.bytes -= message.bytes();
            if wanted(&message) {
                bytes += message.bytes();
                frame.push(message);
            }
        }
        frame
    }

    /// Forgets all that wait.
    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}
