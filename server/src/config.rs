//! The limits of a node; each belongs to the crate that obeys it.

use std::{collections::BTreeMap, path::PathBuf};

use crate::AdmissionConfig;

/// What a node may use.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The store.
    pub storage: genomdb_storage::Config,
    /// Queries.
    pub executor: genomdb_executor::Config,
    /// Loads; the folder in which a sort spills is always within the data folder.
    pub loader: genomdb_loader::Config,
    /// Folders from which clients may have files of the server loaded.
    ///
    /// Default: none.
    pub load_folders: Vec<PathBuf>,
    /// How many queries run and wait.
    pub admission: AdmissionConfig,
    /// Settings that sessions begin with, by name, as `SET` takes them: `query.timeout`, `query.max_memory`, …
    ///
    /// Default: none. What is set here bounds those who are no admins.
    pub settings: BTreeMap<String, String>,
    /// The same for some users, by their names.
    ///
    /// Default: none.
    pub users: BTreeMap<String, BTreeMap<String, String>>,
}
