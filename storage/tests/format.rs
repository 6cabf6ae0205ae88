//! Folders of earlier formats are read, and are of the present one from then on.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::{fs, path::Path};

use genomdb_storage::{Config, KeyRange, ScanLimit, Storage, WriteBatch};

/// Written by the last version of format 1: 20 keys, of which one was deleted, and closed.
const FORMAT_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/format1");

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn expect_all(storage: &Storage) {
    let page = storage.scan_blocking(&KeyRange::all(), ScanLimit::default()).unwrap();
    let numbers = (0..20_u8).filter(|number| *number != 7);
    let expected = numbers
        .map(|number| (format!("key{number:02}").into(), vec![number; 10 * usize::from(number)].into()));
    assert!(page.entries.into_iter().eq(expected));
}

#[test]
fn a_folder_of_format_1_becomes_one_of_format_2() {
    let folder = tempfile::tempdir().unwrap();
    copy(Path::new(FORMAT_1), folder.path());
    let format = || fs::read_to_string(folder.path().join("FORMAT")).unwrap();
    assert_eq!(format(), "genomdb data folder, format 1\n");
    let storage = Storage::open(folder.path(), Config::default()).unwrap();
    assert_eq!(format(), "genomdb data folder, format 2\n");
    expect_all(&storage);
    let mut batch = WriteBatch::new();
    batch.put("zkey", "new");
    storage.write_blocking(batch).unwrap();
    storage.close_blocking().unwrap();
    drop(storage);
    let storage = Storage::open(folder.path(), Config::default()).unwrap();
    let page = storage.scan_blocking(&KeyRange::all(), ScanLimit::default()).unwrap();
    assert_eq!(page.entries.len(), 20);
}
