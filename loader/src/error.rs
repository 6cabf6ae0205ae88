//! Why a load, a drop or a read of a source fails.

use std::path::PathBuf;

use genomdb_formats::FormatError;

/// A load failed; nothing of it is visible.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The sort cannot use its folder: it is full, or may not be written.
    #[error("cannot sort in {}: {source}", folder.display())]
    Spill {
        /// The folder of the spill files.
        folder: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Somebody asked for the stop.
    #[error("cancelled")]
    Cancelled,
}
