//! What goes in comes out, byte for byte, whatever its order.

use std::sync::Mutex;

use genomdb_layout::catalog::TableKind;
use genomdb_loader::{CancelToken, Phase, load, read_catalog};
use genomdb_storage::testing::SimulatedDisk;

use crate::fixture::{HEADER, Lie, check_dump, keys, load_text, open, request, sam, shown};

fn check(count: usize, lie: Lie, sorted_here: bool) {
    let storage = open(&SimulatedDisk::new());
    let text = sam(count, lie, 7);
    let report = load_text(&storage, &text, "a.sam").unwrap();
    assert_eq!(report.sorted_here, sorted_here, "{count} {lie:?}");
    let records = text.lines().count() - HEADER.lines().count();
    assert_eq!(report.records, records as u64);
    check_dump(&storage, "a.sam", &text);
    // Only blocks, index, header: the journal is gone.
    assert!(keys(&storage).iter().all(|key| key[0] != 3), "a journal is left");
}

#[test]
fn a_source_comes_back_as_it_was() {
    check(0, Lie::Sorted, false);
    check(1, Lie::Sorted, false);
    check(1_500, Lie::Sorted, false);
    check(1_500, Lie::Shuffled, true);
    check(1_500, Lie::LastFirst, true);
}

#[test]
fn the_catalog_tells_what_was_loaded() {
    let storage = open(&SimulatedDisk::new());
    let text = sam(300, Lie::Sorted, 1);
    let report = load_text(&storage, &text, "folder/a.sam").unwrap();
    let catalog = read_catalog(&storage).unwrap();
    let table = catalog.table("main", "reads").unwrap();
    assert_eq!((table.id, table.kind), (report.table, TableKind::Alignments));
    let names: Vec<_> = table.contigs.iter().map(|contig| contig.name.to_string()).collect();
    assert_eq!(names, ["chr1", "chr2", "chr3"]);
    let tags: Vec<_> = table.tags.iter().map(|(key, _)| key.to_string()).collect();
    assert_eq!(tags, ["NM", "RG", "XA", "XF"]);
    let source = &table.sources[0];
    assert_eq!((source.name.as_str(), source.format.as_str(), source.records), ("a.sam", "SAM", 300));
    assert_eq!(source.samples, ["one", "two"]);
    assert!(source.bytes > 0 && source.bytes < report.stored_bytes);

    let mut request = request(&sam(10, Lie::Sorted, 2), "b.sam");
    request.sample = Some("three".to_owned());
    load(&storage, request, &|_| {}, &CancelToken::new()).unwrap();
    let catalog = read_catalog(&storage).unwrap();
    let source = &catalog.table("main", "reads").unwrap().sources[1];
    assert_eq!(source.samples, ["three"]);
    assert!(source.read_groups.iter().all(|group| group.sample.as_deref() == Some("three")));
    assert_eq!(shown(&storage), "reads: a.sam b.sam");
}

#[test]
fn progress_tells_each_phase() {
    for (lie, expected) in [
        (Lie::Sorted, &[Phase::Loading, Phase::Publishing][..]),
        (Lie::Shuffled, &[Phase::Loading, Phase::Sorting, Phase::Merging, Phase::Publishing]),
    ] {
        let storage = open(&SimulatedDisk::new());
        let seen = Mutex::new(Vec::new());
        let request = request(&sam(500, lie, 3), "a.sam");
        load(&storage, request, &|progress| seen.lock().unwrap().push(progress), &CancelToken::new())
            .unwrap();
        let seen = seen.into_inner().unwrap();
        let mut phases: Vec<_> = seen.iter().map(|progress| progress.phase).collect();
        phases.dedup();
        assert_eq!(phases, expected);
        let last = seen.last().unwrap();
        assert_eq!((last.records, last.records_total), (500, Some(500)));
        assert!(last.bytes_read > 0);
    }
}

#[test]
fn one_source_beside_another() {
    let storage = open(&SimulatedDisk::new());
    let texts: Vec<_> =
        (0..4).map(|seed| sam(200, [Lie::Sorted, Lie::Shuffled][seed % 2], seed as u64)).collect();
    for text in &texts {
        load_text(&storage, text, "a.sam").unwrap();
    }
    assert_eq!(shown(&storage), "reads: a.sam a.sam#2 a.sam#3 a.sam#4");
    for (text, name) in texts.iter().zip(["a.sam", "a.sam#2", "a.sam#3", "a.sam#4"]) {
        check_dump(&storage, name, text);
    }
}
