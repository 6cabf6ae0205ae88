//! Ctrl-C: ends what runs, and leaves the data folder in order.

use std::future::Future;

/// What was running was interrupted by the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupted;

/// Runs a future until it is done or Ctrl-C is pressed; then it is dropped, which stops its work.
///
/// # Errors
///
/// If Ctrl-C came first.
pub async fn until_interrupted<T>(work: impl Future<Output = T>) -> Result<T, Interrupted> {
    tokio::select! {
        biased;
        // Where no handler can be installed, the signal keeps its default meaning, and this never answers.
        Ok(()) = tokio::signal::ctrl_c() => Err(Interrupted),
        done = work => Ok(done),
    }
}
