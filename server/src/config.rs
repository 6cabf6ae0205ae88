//! The limits of a node; each belongs to the crate that obeys it.

/// What a node may use.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The store.
    pub storage: genomdb_storage::Config,
    /// Queries.
    pub executor: genomdb_executor::Config,
    /// Loads; the folder in which a sort spills is always within the data folder.
    pub loader: genomdb_loader::Config,
}
