//! Dropped sources vanish at once from the catalog, and from the disk when nobody reads them any more.

use genomdb_loader::{collect_leftovers, drop_source, drop_table};
use genomdb_storage::testing::SimulatedDisk;

use crate::fixture::{Lie, check_dump, keys, load_text, open, sam, shown};

#[test]
fn a_source_goes_and_leaves_the_others() {
    let storage = open(&SimulatedDisk::new());
    let (a, b) = (sam(300, Lie::Sorted, 1), sam(300, Lie::Shuffled, 2));
    load_text(&storage, &a, "a").unwrap();
    let alone = keys(&storage);
    load_text(&storage, &b, "b").unwrap();
    let both = keys(&storage).len();

    let garbage = drop_source(&storage, "main", "reads", "b").unwrap();
    assert_eq!(shown(&storage), "reads: a");
    // Readers of the older catalog version may be at it: nothing goes before the garbage is collected,
    // not even when a load looks for leftovers.
    assert_eq!(collect_leftovers(&storage).unwrap(), 0);
    assert!(keys(&storage).len() > both);
    garbage.collect().unwrap();
    assert_eq!(keys(&storage), alone);
    check_dump(&storage, "a", &a);

    // The same content is welcome again.
    load_text(&storage, &b, "b").unwrap();
    check_dump(&storage, "b", &b);
}

#[test]
fn garbage_that_nobody_collects_is_a_leftover() {
    let storage = open(&SimulatedDisk::new());
    load_text(&storage, &sam(300, Lie::Sorted, 1), "a").unwrap();
    let alone = keys(&storage);
    load_text(&storage, &sam(300, Lie::Sorted, 2), "b").unwrap();
    drop(drop_source(&storage, "main", "reads", "b").unwrap());
    assert_eq!(collect_leftovers(&storage).unwrap(), 1);
    assert_eq!(keys(&storage), alone);
    assert_eq!(collect_leftovers(&storage).unwrap(), 0);
}

#[test]
fn a_table_goes_with_all_its_sources() {
    let storage = open(&SimulatedDisk::new());
    load_text(&storage, &sam(100, Lie::Sorted, 1), "a").unwrap();
    load_text(&storage, &sam(100, Lie::Shuffled, 2), "b").unwrap();
    drop_table(&storage, "main", "reads").unwrap().collect().unwrap();
    assert_eq!((keys(&storage).len(), shown(&storage).as_str()), (0, ""));
    let text = sam(50, Lie::Sorted, 3);
    load_text(&storage, &text, "a").unwrap();
    check_dump(&storage, "a", &text);
}

#[test]
fn what_is_not_there_cannot_be_dropped() {
    let storage = open(&SimulatedDisk::new());
    let error = drop_table(&storage, "main", "reads").unwrap_err();
    assert_eq!(error.to_string(), "there is no table `main.reads`");
    load_text(&storage, &sam(10, Lie::Sorted, 1), "a").unwrap();
    let error = drop_source(&storage, "main", "reads", "b").unwrap_err();
    assert_eq!(error.to_string(), "table `main.reads` has no source `b`; it has `a`");
}
