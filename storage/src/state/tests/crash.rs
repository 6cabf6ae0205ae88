//! A power cut at any I/O: the state is then one that it had since its last checkpoint.
//!
//! A failure prints the number of the I/O, which is also the seed.

use std::sync::LazyLock;

use super::*;
use crate::{kv::End, testing::Fault};

/// Live groups and the checksums of their rows.
type Fingerprint = Vec<(Group, u64)>;

#[derive(Default)]
struct History {
    states: Vec<Fingerprint>,
    /// The first that may be there after a crash.
    durable: usize,
}

fn fingerprint(store: &Store) -> Fingerprint {
    let groups = store.groups().unwrap().into_iter().filter(|group| group.phase == Phase::Live);
    groups.map(|group| (group.clone(), checksum(store, group.descriptor.id))).collect()
}

impl History {
    fn note(&mut self, store: &Store, durable: bool) {
        self.states.push(fingerprint(store));
        if durable {
            self.durable = self.states.len() - 1;
        }
    }
}

/// Range 9 on another node, with rows in every table.
static PEER: LazyLock<(Group, Vec<Bytes>)> =
    LazyLock::new(|| super::snapshots::chunks(&super::snapshots::full().store, RangeId(9)));

fn some_writes(bench: &Bench, range: RangeId, prefix: &str, round: u8) {
    let key = |number: u8| k(&format!("{prefix}{number:02}"));
    let put = |number| Operation::Put(key(number), vec![round; 700 * usize::from(number)].into());
    let batch = [
        transaction([], (round..round + 12).map(put)),
        transaction(
            [],
            [
                Operation::Add(k(&format!("{prefix}n")), 3),
                Operation::Push(k(&format!("{prefix}d")), End::Back, vec![round; 3000].into()),
                Operation::PutUntil(key(round), k("x"), Timestamp(9)),
                Operation::Delete(key(round + 1)),
            ],
        ),
    ];
    let session = Some(Session { client: round.into(), sequence: 1 });
    let version = bench.group(range).descriptor.version;
    let now = Timestamp(bench.now);
    let proposal = |part| Proposal { version, session, now, action: Action::Transact(part) };
    let part = transaction([], [Operation::Put(k(&format!("{prefix}{round}lock")), k("x"))]);
    let (id, primary) = (TransactionId(round.into()), k("other"));
    let prepare = Action::Prepare { id, primary, deadline: Timestamp(5000), part };
    let prepare = Proposal { version, session: None, now, action: prepare };
    let proposals: Vec<Proposal> = batch.into_iter().map(proposal).chain([prepare]).collect();
    bench.apply(range, &proposals);
}

/// All that a store goes through, as far as it gets.
fn live(bench: &Bench, history: &mut History) {
    let store = &bench.store;
    history.note(store, true);
    let checkpoint = |history: &mut History| {
        // The crash may come in the midst of it.
        let durable = store.checkpoint().unwrap_or(None);
        history.note(store, durable.is_some());
    };
    for round in 0..4 {
        some_writes(bench, USER, if round % 2 == 0 { "a" } else { "p" }, round);
        history.note(store, false);
        if round % 2 == 1 {
            checkpoint(history);
        }
    }
    bench.act(Action::Split { at: k("m"), child: RangeId(9) });
    history.note(store, false);
    some_writes(bench, RangeId(9), "q", 5);
    history.note(store, false);
    checkpoint(history);
    some_writes(bench, USER, "c", 6);
    history.note(store, false);
    let removed = store.remove_group(RangeId(9));
    history.note(store, removed.is_ok());
    let (group, chunks) = &*PEER;
    let Ok(mut installer) = store.installer(group) else {
        return history.note(store, false);
    };
    history.note(store, true);
    for chunk in chunks {
        installer.chunk(store, chunk.clone()).unwrap();
        some_writes(bench, USER, "e", 7);
        history.note(store, false);
        checkpoint(history);
    }
    let installed = installer.finish(store);
    history.note(store, installed.is_ok());
    some_writes(bench, RangeId(9), "s", 8);
    history.note(store, false);
    checkpoint(history);
}

/// A stride keeps it short; every I/O has its turn over a few strides of other lengths.
fn stride() -> usize {
    std::env::var("GENOMDB_CRASH_STRIDE").map_or(7, |stride| stride.parse().unwrap())
}

#[test]
fn after_a_power_cut_the_state_is_one_that_it_had() {
    let disk = SimulatedDisk::new();
    let bench = Bench { store: new_store(&disk), now: 1000 };
    let before = disk.operations();
    live(&bench, &mut History::default());
    let operations = disk.operations() - before;
    assert!(operations > 100, "{operations}");
    for number in (0..operations).step_by(stride()) {
        let disk = SimulatedDisk::new();
        let bench = Bench { store: new_store(&disk), now: 1000 };
        let mut history = History::default();
        disk.inject(Fault::Crash(number));
        live(&bench, &mut history);
        let disk = disk.after_power_cut(number);
        drop(bench);
        let store = open(&disk);
        for group in store.groups().unwrap() {
            if group.phase == Phase::Installing {
                assert_eq!(group.descriptor.id, RangeId(9), "crash at {number}");
                store.remove_group(RangeId(9)).unwrap();
                let keys = KeyRange { start: k("m"), end: None };
                let view = store.view().unwrap();
                let left = view.scan_keys(Space::User, &keys, ScanLimit::default(), Timestamp(0)).unwrap();
                assert_eq!((left.found.entries, left.locks), (vec![], vec![]), "crash at {number}");
            }
        }
        let found = fingerprint(&store);
        let possible = &history.states[history.durable..];
        assert!(possible.contains(&found), "crash at {number}: {found:?}\nnone of {possible:?}");
    }
}

/// Pages were held back while the disk was full, and the crash comes while they are written.
#[test]
fn after_a_full_disk_too() {
    let run = |disk: &SimulatedDisk, crash: Option<u64>| {
        let bench = Bench { store: new_store(disk), now: 1000 };
        let mut history = History::default();
        let checkpoint = |history: &mut History| {
            let durable = bench.store.checkpoint().unwrap_or(None).is_some();
            history.note(&bench.store, durable);
            durable
        };
        some_writes(&bench, USER, "a", 1);
        assert!(checkpoint(&mut history));
        disk.set_capacity(disk.used_bytes(), true);
        for round in 2..14 {
            some_writes(&bench, USER, if round % 2 == 0 { "a" } else { "p" }, round);
            assert!(!checkpoint(&mut history), "the disk is full");
        }
        disk.set_capacity(1 << 40, true);
        let before = disk.operations();
        crash.into_iter().for_each(|number| disk.inject(Fault::Crash(number)));
        checkpoint(&mut history);
        some_writes(&bench, USER, "b", 14);
        checkpoint(&mut history);
        (disk.operations() - before, history)
    };
    let (operations, _) = run(&SimulatedDisk::new(), None);
    assert!(operations > 20, "{operations}");
    for number in (0..operations).step_by(stride()) {
        for seed in 0..2 {
            let disk = SimulatedDisk::new();
            let (_, history) = run(&disk, Some(number));
            // What opens must outlive another crash before anything is written.
            let disk = disk.after_power_cut(number * 2 + seed);
            let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
            let found = fingerprint(&store);
            drop(store);
            let possible = &history.states[history.durable..];
            assert!(possible.contains(&found), "crash at {number}: {found:?}\nnone of {possible:?}");
            let store = open(&disk);
            assert_eq!(fingerprint(&store), found, "crash at {number}");
        }
    }
}

#[test]
fn creating_is_all_or_nothing() {
    for number in 0.. {
        let disk = SimulatedDisk::new();
        disk.inject(Fault::Crash(number));
        let created = Store::create(Path::new(PATH), &disk, &first_groups()).is_ok();
        let after = disk.after_power_cut(number);
        match Store::open(PATH.into(), Arc::new(after.clone()), 1 << 20) {
            Ok(None) => assert!(!created, "crash at {number}"),
            Ok(Some(store)) => assert_eq!(store.groups().unwrap(), first_groups(), "crash at {number}"),
            Err(error) => panic!("crash at {number}: {error}"),
        }
        if created {
            break;
        }
    }
}
