//! The version of every stored byte.

/// The version of the stored form: keys, pages, index and catalog entries.
///
/// | version | what changed |
/// |---|---|
/// | 1 | the first |
///
/// Any change of stored bytes raises it, changes `docs/on-disk-format.md`, and adds a fixture.
pub const FORMAT_VERSION: u16 = 1;
