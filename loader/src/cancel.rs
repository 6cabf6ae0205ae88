//! A request to stop, which a load looks at often.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::LoadError;

/// Tells a running load to stop: it then deletes what it wrote and returns [`LoadError::Cancelled`].
///
/// Clones share one request. It cannot be taken back.
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Creates a token that nobody has cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for the stop. May be called from a signal handler's thread.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Tells whether the stop was asked for.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the error if the stop was asked for.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        if self.is_cancelled() { Err(LoadError::Cancelled) } else { Ok(()) }
    }
}
