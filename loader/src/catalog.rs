//! Reads the catalog, and changes it by compare-and-set.

use bytes::Bytes;
use genomdb_layout::{catalog::Catalog, key::Key};
use genomdb_storage::{Condition, Outcome, Storage, Transaction};

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
/// is raised for it. What it puts into the transaction is written, and what it demands must hold, in the same
/// moment.
///
/// # Errors
///
/// What `change` answers, and then nothing is written; if what it demands does not hold; or if the storage
/// fails.
pub fn change_catalog<T>(
    storage: &Storage,
    mut change: impl FnMut(&mut Catalog, &mut Transaction) -> Result<T, LoadError>,
) -> Result<(Catalog, T), LoadError> {
    let key = Bytes::from(Key::Catalog.to_bytes());
    for _ in 0..ATTEMPTS_MAX {
        let (mut catalog, stored) = read(storage)?;
        let mut transaction = Transaction::default();
        let answer = change(&mut catalog, &mut transaction)?;
        catalog.version += 1;
        transaction.batch.put(key.clone(), catalog.to_bytes());
        let demanded = transaction.conditions.len();
        transaction.conditions.push(match stored {
            Some(stored) => Condition::Equals(key.clone(), stored),
            None => Condition::Absent(key.clone()),
        });
        match storage.transact_blocking(transaction)? {
            Outcome::Committed => return Ok((catalog, answer)),
            // What is demanded beside the catalog is a lease, and what is gone does not come back.
            Outcome::ConditionFailed { condition, .. } if condition < demanded => {
                return Err(LoadError::LeaseLost);
            }
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
