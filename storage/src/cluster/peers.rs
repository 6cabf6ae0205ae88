//! The other nodes that a node knows, kept in its folder: with them it finds its cluster again.
//!
//! `PEERS` has a line `node address` for each. It is written when they change, under another name and
//! renamed; what the placement driver says counts.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{disk::Disk, error::StorageError, range::NodeId, rpc::Peer};

/// The longest `PEERS` that is believed.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// The file, and what is in it.
#[derive(Debug)]
pub(crate) struct PeersFile {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    own: NodeId,
    known: Mutex<Vec<Peer>>,
}

impl PeersFile {
    /// Reads the file of the node `own`; none is as one without a line.
    pub(crate) fn open(folder: &Path, own: NodeId, disk: &Arc<dyn Disk>) -> Result<Self, StorageError> {
        let path = folder.join("PEERS");
        let text = match disk.open(&path, false) {
            Ok(file) => (|| {
                let length = file.len()?.min(TEXT_BYTES_MAX);
                let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
                file.read_exact_at(&mut bytes, 0)?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            })(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| StorageError::io("read", &path, error))?;
        let mut known = Vec::new();
        for line in text.lines() {
            match parse(line) {
                Some(peer) if peer.node != own => known.push(peer),
                Some(_) => {}
                // Only an address is lost, which others know too.
                None => tracing::warn!(line, path = %path.display(), "a line is damaged"),
            }
        }
        let (folder, disk) = (folder.to_owned(), Arc::clone(disk));
        Ok(Self { folder, disk, own, known: Mutex::new(known) })
    }

    /// The other nodes.
    pub(crate) fn known(&self) -> Vec<Peer> {
        self.known.lock().clone()
    }

    /// Keeps what the cluster says of its nodes, durably.
    pub(crate) fn keep(&self, peers: &[Peer]) -> Result<(), StorageError> {
        let mut peers: Vec<Peer> = peers.iter().filter(|peer| peer.node != self.own).cloned().collect();
        peers.sort_by_key(|peer| peer.node);
        let mut known = self.known.lock();
        if *known == peers {
            return Ok(());
        }
        let (path, draft) = (self.folder.join("PEERS"), self.folder.join("PEERS.new"));
        let text: String = peers.iter().map(|Peer { node, address }| format!("{node} {address}\n")).collect();
        let written = (|| {
            let file = self.disk.open(&draft, true)?;
            file.set_len(0)?;
            file.write_all_at(text.as_bytes(), 0)?;
            file.sync_data()?;
            self.disk.rename(&draft, &path)?;
            self.disk.sync_dir(&self.folder)
        })();
        written.map_err(|error| StorageError::io("write", &path, error))?;
        *known = peers;
        Ok(())
    }
}

fn parse(line: &str) -> Option<Peer> {
    let (node, address) = line.split_once(' ')?;
    let node = NodeId(node.parse().ok()?);
    let address = Some(address).filter(|address| address.contains(':'))?.to_owned();
    Some(Peer { node, address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SimulatedDisk;

    fn peer(node: u64, address: &str) -> Peer {
        Peer { node: NodeId(node), address: address.into() }
    }

    #[test]
    fn what_is_kept_is_known_after_a_power_cut() {
        let simulated = SimulatedDisk::new();
        let open = |disk: &SimulatedDisk| {
            let disk: Arc<dyn Disk> = Arc::new(disk.clone());
            PeersFile::open(Path::new("/data"), NodeId(2), &disk).unwrap()
        };
        let file = open(&simulated);
        assert_eq!(file.known(), []);
        file.keep(&[peer(3, "c:3"), peer(2, "b:2"), peer(1, "a:1")]).unwrap();
        let known = [peer(1, "a:1"), peer(3, "c:3")];
        assert_eq!(file.known(), known);
        let operations = simulated.operations();
        file.keep(&known).unwrap();
        assert_eq!(simulated.operations(), operations, "nothing changed");
        assert_eq!(open(&simulated.after_power_cut(1)).known(), known);
    }

    #[test]
    fn a_damaged_line_loses_one_peer() {
        assert_eq!(parse("7 [::1]:99"), Some(peer(7, "[::1]:99")));
        for line in ["", "7", "x y:1", "7 nowhere"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
