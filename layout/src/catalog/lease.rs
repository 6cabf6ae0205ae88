//! Who works on a source that the catalog does not show yet, where several processes share a store.

use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
    envelope,
    key::{Key, SourceId, TableId},
};

/// Says that a load or a drop of a source is alive; it expires unless its process renews it.
///
/// What the journal names of a source under a lease is no leftover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseEntry {
    /// A random number of whoever has it.
    pub holder: u64,
    /// Dataset and name of the table that the load makes, if it does not exist yet.
    pub makes: Option<(String, String)>,
}

impl LeaseEntry {
    /// Returns the key of the lease of a source.
    pub fn key(table: TableId, source: SourceId) -> Key {
        Key::Lease { table, source }
    }

    /// Returns the stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.holder);
        let names = self.makes.iter().flat_map(|(dataset, table)| [dataset, table]);
        out.push(u8::from(self.makes.is_some()));
        names.for_each(|name| put_bytes(&mut out, name.as_bytes()));
        envelope::seal(&out)
    }

    /// Reads an entry back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open("lease", bytes)?;
        let mut cursor = Cursor::new("lease", &payload);
        let holder = cursor.varint()?;
        let makes = match cursor.u8()? {
            0 => None,
            1 => Some((cursor.text()?.to_owned(), cursor.text()?.to_owned())),
            _ => return Err(cursor.corrupt("neither with nor without a table")),
        };
        cursor.finish()?;
        Ok(Self { holder, makes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_the_lease_back() {
        for makes in [None, Some(("main".to_owned(), "reads".to_owned()))] {
            let lease = LeaseEntry { holder: u64::MAX, makes };
            let bytes = lease.to_bytes();
            assert_eq!(LeaseEntry::from_bytes(&bytes), Ok(lease));
            for cut in 0..bytes.len() {
                assert!(LeaseEntry::from_bytes(&bytes[..cut]).is_err());
            }
        }
    }
}
