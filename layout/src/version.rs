//! The version of every stored byte.

/// The version of the stored form: keys, pages, index and catalog entries.
///
/// | version | what changed |
/// |---|---|
/// | 1 | the first |
/// | 2 | tables of rows: the kind and its columns in the catalog, chunks and their index |
///
/// Any change of stored bytes raises it, changes `docs/on-disk-format.md`, and adds a fixture.
pub const FORMAT_VERSION: u16 = 2;
