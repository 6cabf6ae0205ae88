//! What contradicts the table is refused, before or after it was read; loads at the same time do not.

use std::thread;

use genomdb_layout::catalog::{TableKind, ViewEntry};
use genomdb_loader::{CancelToken, change_catalog, load};
use genomdb_storage::{Storage, testing::SimulatedDisk};

use crate::fixture::{HEADER, Lie, check_dump, dump, keys, load_text, open, request, sam, shown};

/// Checks that a load fails with this message and leaves nothing.
fn check(storage: &Storage, text: &str, expected: &str) {
    let (before, shown_before) = (keys(storage), shown(storage));
    let error = load_text(storage, text, "b.sam").unwrap_err();
    assert_eq!(error.to_string(), expected);
    assert_eq!((keys(storage), shown(storage)), (before, shown_before));
}

#[test]
fn contigs_that_contradict_the_table() {
    let storage = open(&SimulatedDisk::new());
    load_text(&storage, &sam(50, Lie::Sorted, 1), "a.sam").unwrap();
    check(
        &storage,
        &HEADER.replace("10000", "9999"),
        "b.sam does not fit table `main.reads`: contig `chr1` has 9999 bases in the file and 10000 in the table",
    );
    check(
        &storage,
        &HEADER.replace("chr", ""),
        "b.sam does not fit table `main.reads`: the file calls `1` what the table calls `chr1`",
    );
    check(
        &storage,
        "@SQ\tSN:phage\tLN:5\n",
        "b.sam does not fit table `main.reads`: the file and the table have no contig in common; \
         the file's first is `phage`, the table's `chr1`",
    );
    // A subset, one more, and a file without any are welcome.
    load_text(
        &storage,
        "@SQ\tSN:chr2\tLN:5000\n@SQ\tSN:chr9\tLN:7\nr\t4\tchr9\t1\t9\t*\t*\t0\t0\t*\t*\n",
        "c",
    )
    .unwrap();
    load_text(&storage, "u\t4\t*\t0\t0\t*\t*\t0\t0\tACGT\t*\n", "d").unwrap();
    assert_eq!(dump(&storage, "c").lines().last(), Some("r\t4\tchr9\t1\t9\t*\t*\t0\t0\t*\t*"));
}

#[test]
fn the_same_content_twice() {
    let storage = open(&SimulatedDisk::new());
    let text = sam(100, Lie::Shuffled, 1);
    load_text(&storage, &text, "a.sam").unwrap();
    check(
        &storage,
        &text,
        "table `main.reads` has the content of b.sam already, as source `a.sam`; say FORCE (or --force) to have it twice",
    );
    let mut again = request(&text, "b.sam");
    again.force = true;
    load(&storage, again, &|_| {}, &CancelToken::new()).unwrap();
    check_dump(&storage, "b.sam", &text);

    let mut named = request(&sam(10, Lie::Sorted, 2), "c.sam");
    named.name = Some("a.sam".to_owned());
    let error = load(&storage, named, &|_| {}, &CancelToken::new()).unwrap_err();
    assert_eq!(error.to_string(), "table `main.reads` has a source `a.sam` already; give another name");
    assert_eq!(shown(&storage), "reads: a.sam b.sam");
}

#[test]
fn tables_that_are_not_of_alignments() {
    let storage = open(&SimulatedDisk::new());
    change_catalog(&storage, |catalog, _| {
        catalog.add_table("main", "reads", TableKind::Variants);
        Ok(())
    })
    .unwrap();
    check(&storage, HEADER, "`main.reads` is a table of variants, alignments cannot be loaded into it");
    change_catalog(&storage, |catalog, _| {
        catalog.tables.clear();
        let (dataset, name, text) = ("main".into(), "reads".into(), "SELECT 1".into());
        catalog.views.push(ViewEntry { dataset, name, text });
        Ok(())
    })
    .unwrap();
    check(&storage, HEADER, "`main.reads` is a view, alignments cannot be loaded into it");
    change_catalog(&storage, |catalog, _| {
        catalog.datasets.clear();
        Ok(())
    })
    .unwrap();
    check(&storage, HEADER, "there is no dataset `main`");
}

#[test]
fn loads_at_the_same_time() {
    let storage = open(&SimulatedDisk::new());
    let texts: Vec<_> =
        (0..4).map(|seed| sam(300, [Lie::Sorted, Lie::Shuffled][seed % 2], seed as u64)).collect();
    thread::scope(|scope| {
        for (number, text) in texts.iter().enumerate() {
            let storage = &storage;
            scope.spawn(move || load_text(storage, text, &format!("s{number}")).unwrap());
        }
    });
    for (number, text) in texts.iter().enumerate() {
        check_dump(&storage, &format!("s{number}"), text);
    }
    assert!(keys(&storage).iter().all(|key| key[0] != 3), "a journal is left");
}

#[test]
fn the_same_content_at_the_same_time_is_loaded_once() {
    let storage = open(&SimulatedDisk::new());
    let text = sam(300, Lie::Sorted, 5);
    let loaded = thread::scope(|scope| {
        let loads: Vec<_> = (0..3).map(|_| scope.spawn(|| load_text(&storage, &text, "s").is_ok())).collect();
        loads.into_iter().filter(|_| true).map(|load| load.join().unwrap()).filter(|&loaded| loaded).count()
    });
    assert_eq!((loaded, shown(&storage)), (1, "reads: s".to_owned()));
    check_dump(&storage, "s", &text);
}

#[test]
fn a_table_made_anew_during_the_load() {
    let storage = open(&SimulatedDisk::new());
    load_text(&storage, HEADER, "a").unwrap();
    let remake = |progress: genomdb_loader::Progress| {
        if progress.phase == genomdb_loader::Phase::Publishing {
            change_catalog(&storage, |catalog, _| {
                catalog.tables.clear();
                catalog.add_table("main", "reads", TableKind::Alignments);
                Ok(())
            })
            .unwrap();
        }
    };
    let error =
        load(&storage, request(&sam(9, Lie::Sorted, 1), "b"), &remake, &CancelToken::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "table `main.reads` was changed by somebody else during the load; load again"
    );
}
