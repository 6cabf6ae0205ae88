//! Where the other nodes are, kept in the folder: a node that starts again finds them without being told.
//!
//! Nothing relies on it being right: whoever is called says which node of which cluster it is.

use std::{io, path::Path};

use crate::{disk::Disk, error::StorageError, range::NodeId, rpc::Peer};

const NAME: &str = "PEERS";
/// The longest file that is believed.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Reads what was last written; nothing if that cannot be read.
pub(super) fn read(folder: &Path, disk: &dyn Disk) -> Vec<Peer> {
    match read_text(folder, disk) {
        Ok(text) => parse(&text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(%error, folder = %folder.display(), "the addresses of other nodes are not known");
            Vec::new()
        }
    }
}

fn read_text(folder: &Path, disk: &dyn Disk) -> io::Result<String> {
    let file = disk.open(&folder.join(NAME), false)?;
    let length = file.len()?.min(TEXT_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Lines of a number and an address each; others are left out.
fn parse(text: &str) -> Vec<Peer> {
    let line = |line: &str| {
        let (node, address) = line.split_once(' ')?;
        let node = NodeId(node.parse().ok()?);
        (!address.is_empty()).then(|| Peer { node, address: address.to_owned() })
    };
    text.lines().filter_map(line).collect()
}

/// Writes them: a crash leaves those of before or these.
pub(super) fn write(folder: &Path, disk: &dyn Disk, peers: &[Peer]) -> Result<(), StorageError> {
    let (path, draft) = (folder.join(NAME), folder.join("PEERS.new"));
    let text: String = peers.iter().map(|peer| format!("{} {}\n", peer.node, peer.address)).collect();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::LocalDisk;

    #[test]
    fn what_is_written_is_read_and_damage_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path(), &LocalDisk), []);
        let peer = |node, address: &str| Peer { node: NodeId(node), address: address.to_owned() };
        let peers = [peer(1, "127.0.0.1:1"), peer(7, "[::1]:80")];
        write(folder.path(), &LocalDisk, &peers).unwrap();
        assert_eq!(read(folder.path(), &LocalDisk), peers);
        std::fs::write(folder.path().join(NAME), b"x 1\n\xff\n2 \n3 host:1\n4").unwrap();
        assert_eq!(read(folder.path(), &LocalDisk), [peer(3, "host:1")]);
    }
}
