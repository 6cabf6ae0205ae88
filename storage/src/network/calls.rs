//! The calls of a connection that wait for their answers.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::CallError;

/// Where an answer goes.
pub(super) type Answer = oneshot::Sender<Result<Bytes, CallError>>;

/// A call that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Where its answer goes.
    pub(super) answer: Answer,
    /// Whether the request was handed to the connection.
    pub(super) sent: bool,
}

/// Calls that wait, by number: place in the table and, in the upper half, how often the place was used, so
/// that an answer that comes too late meets no other call.
#[derive(Debug, Default)]
pub(super) struct Calls {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Place {
    uses: u32,
    call: Option<Waiting>,
}

impl Calls {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Adds a call and returns its number.
    pub(super) fn insert(&mut self, answer: Answer) -> u64 {
        let call = Some(Waiting { answer, sent: false });
        if let Some(index) = self.free.pop()
            && let Some(place) = usize::try_from(index).ok().and_then(|index| self.places.get_mut(index))
        {
            place.call = call;
            return number(index, place.uses);
        }
        let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        self.places.push(Place { uses: 0, call });
        number(index, 0)
    }

    /// Notes that a request goes out; false if nobody waits for its answer any more.
    pub(super) fn send(&mut self, call: u64) -> bool {
        match self.place(call).and_then(|(_, place)| place.call.as_mut()) {
            Some(waiting) => {
                waiting.sent = true;
                true
            }
            None => false,
        }
    }

    /// Takes a call out, if it still waits.
    pub(super) fn take(&mut self, call: u64) -> Option<Waiting> {
        let (index, place) = self.place(call)?;
        let waiting = place.call.take()?;
        place.uses = place.uses.wrapping_add(1);
        self.free.push(index);
        Some(waiting)
    }

    /// Takes all calls out.
    pub(super) fn take_all(&mut self) -> Vec<Waiting> {
        let mut all = Vec::with_capacity(self.len());
        for (index, place) in (0_u32..).zip(&mut self.places) {
            if let Some(waiting) = place.call.take() {
                place.uses = place.uses.wrapping_add(1);
                self.free.push(index);
                all.push(waiting);
            }
        }
        all
    }

    fn place(&mut self, call: u64) -> Option<(u32, &mut Place)> {
        let index = u32::try_from(call & u64::from(u32::MAX)).ok()?;
        let place = self.places.get_mut(usize::try_from(index).ok()?)?;
        (number(index, place.uses) == call).then_some((index, place))
    }
}

fn number(index: u32, uses: u32) -> u64 {
    u64::from(index) | u64::from(uses) << 32
}
