//! Files to sorted column blocks in storage, all or nothing.

mod batch;
mod cancel;
mod error;
mod sort;

pub use cancel::CancelToken;
pub use error::LoadError;
