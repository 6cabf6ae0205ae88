//! State files of format 1.

use redb::{Durability, TableDefinition};

use super::*;
use crate::{
    error::StorageError,
    state::{old_format::OldFormat, page_file::PageFile, state_file::StateFile},
    testing::Fault,
};

const DATA: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("data");
const STORE: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("store");

/// A file as the code of format 1 leaves it when it closes: two entries applied, the log to go on at
/// this segment and offset.
fn old_file(disk: &SimulatedDisk, (segment, offset): (u64, u64)) {
    let pages = Arc::new(PageFile::create(Path::new(PATH).with_file_name("new.redb"), disk).unwrap());
    let file = StateFile::open(Arc::clone(&pages), 1 << 20).unwrap();
    let written = file.write(Durability::Immediate, |transaction| {
        let mut data = transaction.open_table(DATA)?;
        for (key, value) in [("a", "1"), ("z", "2"), ("b", "3")] {
            data.insert(key.as_bytes(), value.as_bytes())?;
        }
        let applied = [2, segment, offset].map(u64::to_le_bytes).concat();
        transaction.open_table(STORE)?.insert("applied", applied.as_slice())?;
        Ok(())
    });
    written.unwrap();
    file.close();
    pages.publish(Path::new(PATH), disk).unwrap();
}

const CLOSED: (u64, u64) = (3, 0);

#[test]
fn a_closed_one_becomes_the_first_range() {
    let disk = SimulatedDisk::new();
    old_file(&disk, CLOSED);
    let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
    let old = OldFormat { index: 2, segment: 3, offset: 0 };
    assert_eq!(store.old_format().unwrap(), Some(old));
    store.upgrade(Some(2), &first_groups()).unwrap();
    assert_eq!(store.old_format().unwrap(), None);
    store.close();
    let bench = Bench { store: open(&disk.after_power_cut(1)), now: 0 };
    assert_eq!(bench.store.groups().unwrap(), first_groups());
    assert_eq!((bench.get("a"), bench.get("b"), bench.get("z")), (Some(k("1")), Some(k("3")), Some(k("2"))));
    assert_eq!(bench.store.view().unwrap().approximate_bytes(USER).unwrap(), Some(6));
    assert_eq!(bench.write([put("c", "4")]), DONE);
    bench.store.upgrade(None, &[]).unwrap();
}

#[test]
fn one_with_a_log_is_refused() {
    for (end, newest) in [((3, 64), None), (CLOSED, Some(3)), (CLOSED, Some(4))] {
        let disk = SimulatedDisk::new();
        old_file(&disk, end);
        let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
        let refused = store.upgrade(newest, &first_groups());
        assert!(matches!(refused, Err(StorageError::NotClosed { .. })), "{refused:?}");
        assert!(store.old_format().unwrap().is_some());
    }
}

#[test]
fn a_crash_leaves_the_one_or_the_other() {
    for number in 0.. {
        let disk = SimulatedDisk::new();
        old_file(&disk, CLOSED);
        let store = Store::open(PATH.into(), Arc::new(disk.clone()), 1 << 20).unwrap().unwrap();
        disk.inject(Fault::Crash(number));
        let upgraded = store.upgrade(None, &first_groups()).is_ok();
        let store = open(&disk.after_power_cut(number));
        match store.old_format().unwrap() {
            None => assert_eq!(store.groups().unwrap(), first_groups(), "crash at {number}"),
            Some(_) => {
                assert!(!upgraded, "crash at {number}");
                store.upgrade(None, &first_groups()).unwrap();
            }
        }
        let bench = Bench { store, now: 0 };
        assert_eq!(bench.get("z"), Some(k("2")), "crash at {number}");
        if upgraded {
            break;
        }
    }
}
