//! Work that runs where queries run, and ends with whoever waits for it.

use tokio::{runtime::Handle, task::JoinHandle};
use tonic::Status;

/// Work; dropping it ends it.
pub(super) struct QueryTask<T>(JoinHandle<Result<T, Status>>);

impl<T: Send + 'static> QueryTask<T> {
    /// Does the work on the threads of `queries`.
    pub(super) async fn spawn(
        queries: &Handle,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let mut task = Self(queries.spawn(work));
        match (&mut task.0).await {
            Ok(result) => result,
            Err(_) => Err(Status::internal("the query failed in an unexpected way")),
        }
    }
}

impl<T> Drop for QueryTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
