//! Reads the catalog, and changes it by compare-and-set.

use bytes::Bytes;
use genomdb_layout::{catalog::Catalog, key::Key};
use genomdb_storage::{Condition, Outcome, Storage, Transaction, WriteBatch};

use crate::LoadError;

/// A change is tried again so often when somebody else was faster.
const ATTEMPTS_MAX: u32 = 100;

/// Reads the catalog; that of an empty folder is [`Catalog::default`]. Blocks.
///
/// # Errors
///
/// If the storage fails, or the catalog is damaged.
pub fn read_catalog(storage: &Storage) -> Result<Catalog, LoadError> {
    let (catalog, _) = read(storage)?;
    Ok(catalog)
}

/// Changes the catalog and returns it with what `change` returned. Blocks.
///
/// `change` sees the newest catalog and is called again when another change came in between; the version
/// is raised for it. What it puts into the batch is written in the same transaction.
///
/// # Errors
///
/// What `change` answers, and then nothing is written; or if the storage fails.
pub fn change_catalog<T>(
    storage: &Storage,
    mut change: impl FnMut(&mut Catalog, &mut WriteBatch) -> Result<T, LoadError>,
) -> Result<(Catalog, T), LoadError> {
    let key = Bytes::from(Key::Catalog.to_bytes());
    for _ in 0..ATTEMPTS_MAX {
        let (mut catalog, stored) = read(storage)?;
        let mut batch = WriteBatch::new();
        let answer = change(&mut catalog, &mut batch)?;
        catalog.version += 1;
        batch.put(key.clone(), catalog.to_bytes());
        let condition = match stored {
            Some(stored) => Condition::Equals(key.clone(), stored),
            None => Condition::Absent(key.clone()),
        };
        match storage.transact_blocking(Transaction { conditions: vec![condition], batch })? {
            Outcome::Committed => return Ok((catalog, answer)),
            Outcome::ConditionFailed { .. } => {}
        }
    }
    Err(LoadError::CatalogBusy { attempts: ATTEMPTS_MAX })
}

fn read(storage: &Storage) -> Result<(Catalog, Option<Bytes>), LoadError> {
    let key = Key::Catalog.to_bytes().into();
    let stored = storage.batch_get_blocking(&[key])?.pop().flatten();
    let catalog = stored.as_deref().map(Catalog::from_bytes).transpose()?.unwrap_or_default();
    Ok((catalog, stored))
}
