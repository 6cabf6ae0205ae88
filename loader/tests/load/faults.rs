//! Loads that fail, are stopped, or die: nothing of them is visible, everything earlier is intact, the
//! leftovers are collected, and the next load works.

use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

use genomdb_formats::Source;
use genomdb_loader::{CancelToken, LoadError, collect_leftovers, drop_source, load};
use genomdb_storage::testing::{Fault, SimulatedDisk};

use crate::fixture::{Lie, check_dump, keys, load_text, open, request, sam, shown};

/// Loads of every kind whose third last line is damaged.
#[test]
fn a_damaged_record_late_in_the_file() {
    let storage = open(&SimulatedDisk::new());
    for lie in [Lie::Sorted, Lie::Shuffled, Lie::LastFirst] {
        let text = sam(400, lie, 3);
        let damaged = text.replace("\nr397\t", "\nr397\tx");
        let error = load_text(&storage, &damaged, "a.sam").unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with("a.sam: record 398 (read `r397`): FLAG"), "{message}");
        assert_eq!((keys(&storage).len(), shown(&storage).as_str()), (0, ""));
    }
    load_text(&storage, &sam(400, Lie::Sorted, 3), "a.sam").unwrap();
}

#[test]
fn a_file_that_changes_between_two_readings() {
    let storage = open(&SimulatedDisk::new());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sam");
    let text = sam(400, Lie::Shuffled, 3);
    fs::write(&path, &text).unwrap();
    // The first batch shows that the file is not sorted, so that it is read again.
    let replace = |_| fs::write(&path, text.replace("chr2", "chr7")).unwrap();
    let mut changing = request("", "");
    changing.source = Source::Path(path.clone());
    let error = load(&storage, changing, &replace, &CancelToken::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{}: its header changed while it was being loaded", path.display())
    );
    assert_eq!((keys(&storage).len(), shown(&storage).as_str()), (0, ""));
}

#[test]
fn a_load_that_is_cancelled() {
    let storage = open(&SimulatedDisk::new());
    let earlier = sam(100, Lie::Sorted, 1);
    load_text(&storage, &earlier, "earlier").unwrap();
    let before = keys(&storage);
    for lie in [Lie::Sorted, Lie::Shuffled] {
        // At each change of phase, the first of which comes after the first batch.
        for stop_at in 0..4 {
            let (cancel, calls) = (CancelToken::new(), AtomicUsize::new(0));
            let on_progress = |_| {
                if calls.fetch_add(1, Ordering::Relaxed) == stop_at {
                    cancel.cancel();
                }
            };
            let text = sam(500, lie, 2);
            let result = load(&storage, request(&text, "late"), &on_progress, &cancel);
            if calls.load(Ordering::Relaxed) <= stop_at {
                drop_source(&storage, "main", "reads", "late").unwrap().collect().unwrap();
            } else {
                assert!(matches!(result, Err(LoadError::Cancelled)), "{lie:?} {stop_at}: {result:?}");
            }
            assert_eq!(keys(&storage), before, "{lie:?} {stop_at}");
            assert_eq!(shown(&storage), "reads: earlier");
        }
    }
    check_dump(&storage, "earlier", &earlier);
}

/// A power cut, or the end of the process, after each so many operations of the disk (LOAD-1, LOAD-2).
#[test]
fn a_crash_at_any_moment() {
    let disk = SimulatedDisk::new();
    let earlier = sam(60, Lie::Sorted, 1);
    let before = {
        let storage = open(&disk);
        load_text(&storage, &earlier, "earlier").unwrap();
        keys(&storage)
    };
    let text = sam(150, Lie::Shuffled, 2);
    let (mut crash_at, mut survived) = (0, 0);
    loop {
        let disk = disk.after_kill();
        disk.inject(Fault::Crash(crash_at));
        let storage = open(&disk);
        let loaded = load_text(&storage, &text, "late").is_ok();
        let cut = if crash_at % 2 == 0 { disk.after_power_cut(crash_at) } else { disk.after_kill() };
        drop(storage);

        let storage = open(&cut);
        collect_leftovers(&storage).unwrap();
        check_dump(&storage, "earlier", &earlier);
        match shown(&storage).as_str() {
            "reads: earlier" => {
                assert!(!loaded, "a load that was reported is gone; crash at {crash_at}");
                assert_eq!(keys(&storage), before, "leftovers; crash at {crash_at}");
                load_text(&storage, &text, "late").unwrap();
            }
            other => assert_eq!(other, "reads: earlier late", "crash at {crash_at}"),
        }
        check_dump(&storage, "late", &text);
        survived += u32::from(loaded);
        if survived == 2 {
            break;
        }
        crash_at += 1;
    }
    assert!(crash_at > 15, "the loads were over after {crash_at} operations");
}

#[test]
fn a_crash_while_a_source_is_dropped() {
    let disk = SimulatedDisk::new();
    let (kept, dropped) = (sam(60, Lie::Sorted, 1), sam(200, Lie::Sorted, 2));
    let alone = {
        let storage = open(&disk);
        load_text(&storage, &kept, "kept").unwrap();
        let alone = keys(&storage);
        load_text(&storage, &dropped, "dropped").unwrap();
        alone
    };
    for crash_at in 0.. {
        let disk = disk.after_kill();
        disk.inject(Fault::Crash(crash_at));
        let storage = open(&disk);
        let gone = drop_source(&storage, "main", "reads", "dropped").and_then(|garbage| garbage.collect());
        let cut = disk.after_power_cut(crash_at);
        drop(storage);

        let storage = open(&cut);
        collect_leftovers(&storage).unwrap();
        check_dump(&storage, "kept", &kept);
        if shown(&storage) == "reads: kept" {
            assert_eq!(keys(&storage), alone, "crash at {crash_at}");
        } else {
            check_dump(&storage, "dropped", &dropped);
            assert!(keys(&storage).iter().all(|key| key[0] != 3), "a journal is left");
        }
        if gone.is_ok() {
            return;
        }
    }
}

#[test]
fn a_full_disk() {
    for honest in [true, false] {
        let disk = SimulatedDisk::new();
        let storage = open(&disk);
        let earlier = sam(60, Lie::Sorted, 1);
        load_text(&storage, &earlier, "earlier").unwrap();
        let before = keys(&storage);
        let text = sam(4_000, Lie::Sorted, 2);
        disk.set_capacity(disk.used_bytes() + (300 << 10), honest);
        let error = load_text(&storage, &text, "late").unwrap_err();
        assert!(matches!(error, LoadError::Storage(_)), "{error}");
        assert_eq!(shown(&storage), "reads: earlier");
        check_dump(&storage, "earlier", &earlier);

        // There is space again; what failed for good needs the folder to be opened again.
        disk.set_capacity(1 << 40, true);
        drop(storage);
        let storage = open(&disk);
        collect_leftovers(&storage).unwrap();
        assert_eq!(keys(&storage), before);
        load_text(&storage, &text, "late").unwrap();
        check_dump(&storage, "late", &text);
    }
}
