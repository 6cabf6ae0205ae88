//! What a slice may take in memory: a few bytes of CRAM can stand for gigabytes of records.

use super::corrupt::Corrupt;

/// Bytes that the blocks and records of one container may take in memory.
///
/// Writers hold some 10,000 records in a slice; 1 GiB leaves room for the longest reads.
pub(super) const CONTAINER_BYTES_MAX: usize = 1 << 30;

/// Bytes that may still be taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self(bytes)
    }

    /// Takes `bytes`, before they are allocated.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Corrupt> {
        let rest = self.0.checked_sub(bytes);
        self.0 =
            rest.ok_or_else(|| format!("it would take more than {CONTAINER_BYTES_MAX} bytes of memory"))?;
        Ok(())
    }
}
