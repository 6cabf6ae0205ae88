//! Who a data folder is: written when it is created, and when the node loses what it had.

use std::{io, path::Path};

use crate::{disk::Disk, error::StorageError, range::NodeId};

/// The longest `NODE` that is believed.
const TEXT_BYTES_MAX: u64 = 1024;

/// Which node of which cluster a folder is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeIdentity {
    pub(crate) node: NodeId,
    /// A random number that all nodes of a cluster share.
    pub(crate) cluster: u64,
    /// When the folder got its state, in ms since 1970: a node that lost it comes back with a higher one.
    pub(crate) incarnation: u64,
}

impl NodeIdentity {
    /// Reads `NODE` in a data folder; `None` if the folder is new.
    pub(crate) fn read(folder: &Path, disk: &dyn Disk) -> Result<Option<Self>, StorageError> {
        let path = folder.join("NODE");
        let failed = |error| StorageError::io("read", &path, error);
        let file = match disk.open(&path, false) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let length = file.len().map_err(failed)?.min(TEXT_BYTES_MAX);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        let field = |name: &str, radix| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
                .and_then(|value| u64::from_str_radix(value, radix).ok())
                .ok_or_else(|| {
                    StorageError::corrupt(&path, 0, format!("the line `{name}` is missing or damaged"))
                })
        };
        let (node, cluster) = (NodeId(field("node", 10)?), field("cluster", 16)?);
        Ok(Some(Self { node, cluster, incarnation: field("incarnation", 16)? }))
    }

    /// Writes `NODE`: a crash leaves either none or a whole one.
    pub(crate) fn write(&self, folder: &Path, disk: &dyn Disk) -> Result<(), StorageError> {
        let (path, draft) = (folder.join("NODE"), folder.join("NODE.new"));
        let Self { node, cluster, incarnation } = self;
        let text = format!("node {node}\ncluster {cluster:016x}\nincarnation {incarnation:016x}\n");
        let written = (|| {
            let file = disk.open(&draft, true)?;
            file.set_len(0)?;
            file.write_all_at(text.as_bytes(), 0)?;
            file.sync_data()?;
            disk.rename(&draft, &path)?;
            disk.sync_dir(folder)
        })();
        written.map_err(|error| StorageError::io("write", &path, error))
    }
}
