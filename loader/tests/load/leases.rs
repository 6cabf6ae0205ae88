//! LOAD-3: loads of processes that share a store, and what becomes of one that was asleep for too long.

use std::{
    io::{self, Cursor, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use genomdb_formats::Source;
use genomdb_layout::key::journals_prefix;
use genomdb_loader::{CancelToken, LoadError, LoadRequest, collect_leftovers, load};
use genomdb_storage::{Clock, ClusterNode, Config, NodeConfig, Storage, SystemClock, Timestamp};

use crate::fixture::{Lie, check_dump, keys, load_text, sam, shown, tiny};

/// The system's clock, whose time of day is put forward.
#[derive(Debug, Default)]
struct Forward(SystemClock, AtomicU64);

impl Clock for Forward {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.0.wall().0 + self.1.load(Ordering::Relaxed))
    }
}

/// Some text, and then nothing until the sender of the rest is dropped.
struct Waiting(Cursor<Vec<u8>>, mpsc::Receiver<()>);

impl Read for Waiting {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(out)?;
        if read == 0 {
            let _dropped = self.1.recv();
        }
        Ok(read)
    }
}

struct Shared {
    node: ClusterNode,
    clock: Arc<Forward>,
    _folder: tempfile::TempDir,
}

impl Shared {
    fn start() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(Forward::default()));
        let config = NodeConfig {
            listen: "127.0.0.1:0".to_owned(),
            storage: Config { clock: Arc::clone(&clock) as Arc<dyn Clock>, ..Config::default() },
            ..NodeConfig::new(folder.path())
        };
        Self { node: ClusterNode::start(config).unwrap(), clock, _folder: folder }
    }

    /// What another process has.
    fn storage(&self) -> Storage {
        let config = Config { clock: Arc::clone(&self.clock) as Arc<dyn Clock>, ..Config::default() };
        Storage::connect(&[self.node.address().to_string()], config).unwrap()
    }

    /// Begins a load that has written much when this returns, and waits for the end of its input.
    fn begin_load(&self, text: &str) -> (mpsc::Sender<()>, thread::JoinHandle<Result<(), LoadError>>) {
        let (rest, wait) = mpsc::channel();
        let reader = Box::new(Waiting(Cursor::new(text.as_bytes().to_vec()), wait));
        let source = Source::Reader { name: "slow".to_owned(), reader };
        let request = LoadRequest { config: tiny(), ..LoadRequest::new(source, "main", "reads") };
        let storage = self.storage();
        let loading = thread::spawn(move || load(&storage, request, &|_| {}, &CancelToken::new()).map(drop));
        let (storage, begun) = (self.storage(), Instant::now());
        while !has_journals(&storage) {
            assert!(
                begun.elapsed() < Duration::from_secs(60) && !loading.is_finished(),
                "nothing is written"
            );
            thread::sleep(Duration::from_millis(5));
        }
        (rest, loading)
    }
}

fn has_journals(storage: &Storage) -> bool {
    keys(storage).iter().any(|key| key.starts_with(&journals_prefix()))
}

#[test]
fn what_another_process_loads_is_left_alone() {
    let shared = Shared::start();
    let text = sam(3000, Lie::Sorted, 1);
    let (rest, loading) = shared.begin_load(&text);
    let other = shared.storage();
    assert_eq!(collect_leftovers(&other).unwrap(), 0);
    // Another load looks for leftovers, too.
    load_text(&other, &sam(50, Lie::Sorted, 2), "other").unwrap();
    drop(rest);
    loading.join().unwrap().unwrap();
    assert_eq!(shown(&other), "reads: other slow");
    check_dump(&other, "slow", &text);
    assert!(!has_journals(&other));
    shared.node.stop().unwrap();
}

#[test]
fn what_a_load_wrote_that_slept_for_too_long_is_collected_and_never_seen() {
    let shared = Shared::start();
    let (rest, loading) = shared.begin_load(&sam(3000, Lie::Sorted, 1));
    let other = shared.storage();
    shared.clock.1.store(61_000, Ordering::Relaxed);
    assert_eq!(collect_leftovers(&other).unwrap(), 1);
    drop(rest);
    let error = loading.join().unwrap().unwrap_err();
    assert!(matches!(error, LoadError::LeaseLost), "{error}");
    // What it wrote after that was collected has a journal again, or was removed by itself.
    collect_leftovers(&other).unwrap();
    assert!(!has_journals(&other));
    assert_eq!(shown(&other), "");
    load_text(&other, &sam(50, Lie::Sorted, 2), "other").unwrap();
    assert_eq!(shown(&other), "reads: other");
    shared.node.stop().unwrap();
}
