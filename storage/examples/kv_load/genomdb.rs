//! This store as a target: a client outside of the cluster, with retries and sessions.

use bytes::Bytes;
use genomdb_storage::{Config, Storage};

use crate::load::Target;

/// A cluster of this store.
pub(crate) struct Genomdb(Storage);

impl Genomdb {
    /// A door to a cluster.
    pub(crate) fn connect(endpoints: &[String]) -> Self {
        Self(Storage::connect(endpoints, Config::default()).unwrap())
    }
}

impl Target for Genomdb {
    type Client = Storage;

    fn client(&self) -> Storage {
        self.0.clone()
    }

    async fn put(client: &mut Storage, key: Bytes, value: Bytes) -> Result<(), String> {
        client.put(key, value).await.map_err(|error| error.to_string())
    }

    async fn get(client: &mut Storage, key: Bytes) -> Result<Option<Bytes>, String> {
        client.get(key).await.map_err(|error| error.to_string())
    }
}
