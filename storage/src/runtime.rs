//! What runs the tasks and owns the time: the machine's runtime, or, with `--cfg simulation`, a seeded one.
//!
//! Nothing else in this crate may spawn, sleep, read a clock or draw a random number: then a seed
//! decides all of it.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::error::StorageError;

/// The runtime of this build.
#[cfg(not(simulation))]
pub(crate) type Runtime = openraft_rt_tokio::TokioRuntime;

/// The runtime of this build.
#[cfg(simulation)]
pub(crate) type Runtime = openraft_rt_sim::SimRuntime;

/// Runs something that waits for the disk, where that holds up no other task.
#[cfg(not(simulation))]
pub(crate) async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, StorageError> + Send + 'static,
) -> Result<T, StorageError> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(StorageError::Closed),
    }
}

/// Runs something that waits for the disk; a simulated disk answers at once.
#[cfg(simulation)]
pub(crate) async fn blocking<T>(run: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    run()
}

/// A future that uses the timers of a runtime, wherever it is polled.
pub(crate) struct InRuntime<F> {
    #[cfg_attr(simulation, allow(dead_code))]
    runtime: tokio::runtime::Handle,
    future: Pin<Box<F>>,
}

impl<F> InRuntime<F> {
    pub(crate) fn new(runtime: tokio::runtime::Handle, future: F) -> Self {
        Self { runtime, future: Box::pin(future) }
    }
}

impl<F: Future> Future for InRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let runtime = self.runtime.clone();
        let _timers = runtime.enter();
        self.future.as_mut().poll(context)
    }
}

/// Threads of the store's own, so that nothing that a caller does holds up Raft.
pub(crate) struct Threads(parking_lot::Mutex<Option<tokio::runtime::Runtime>>, tokio::runtime::Handle);

impl Threads {
    pub(crate) fn start(name: &str) -> Result<Self, StorageError> {
        const THREADS_MAX: usize = 4;
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().min(THREADS_MAX));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name(name)
            .enable_all()
            .build()
            .map_err(|error| StorageError::io("start threads of", name, error))?;
        let handle = runtime.handle().clone();
        Ok(Self(parking_lot::Mutex::new(Some(runtime)), handle))
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.1.clone()
    }

    /// Stops them without waiting for what still runs.
    pub(crate) fn stop(&self) {
        if let Some(runtime) = self.0.lock().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // The last handle may go on one of these threads, or on another runtime's.
        self.stop();
    }
}

/// A random number.
pub(crate) fn random() -> u64 {
    #[cfg(not(simulation))]
    {
        rand::random()
    }
    #[cfg(simulation)]
    {
        use openraft::AsyncRuntime as _;
        use rand10::Rng as _;
        Runtime::thread_rng().next_u64()
    }
}
