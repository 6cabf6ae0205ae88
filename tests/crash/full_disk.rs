//! A disk of a few megabytes: a file system in memory, where the system lets us mount one.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    process::Command,
};

use genomdb_loader::collect_leftovers;

use crate::fixture::{dump, key_count, load_from, load_text, open, sam, sources};

/// A small disk; unmounted when dropped.
struct SmallDisk {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    fn mount(mebibytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let options = format!("size={mebibytes}m");
        let mounted = run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path));
        if !mounted {
            eprintln!("skipped: this system does not let us mount a small disk");
        }
        mounted.then_some(Self { path, _folder: folder })
    }

    fn resize(&self, mebibytes: u32) {
        let options = format!("remount,size={mebibytes}m");
        assert!(run(Command::new("mount").args(["-o", &options]).arg(&self.path)));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run(Command::new("umount").arg(&self.path));
    }
}

fn run(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

fn check(sorted: bool) {
    let Some(disk) = SmallDisk::mount(6) else { return };
    let folder: &Path = &disk.path;
    let storage = open(folder);
    let (earlier, late) = (sam(300, true, 1), sam(20_000, sorted, 2));
    load_text(&storage, folder, &earlier, "earlier");
    let keys = key_count(&storage);
    let reader = Cursor::new(late.clone().into_bytes());
    let error = load_from(&storage, folder, reader, "late", &|_| {}).unwrap_err().to_string();
    let says_so = ["full", "No space left"].iter().any(|part| error.contains(part));
    assert!(says_so && error.contains(&*folder.to_string_lossy()), "{error}");
    assert_eq!(sources(&storage), ["earlier"]);
    assert!(dump(&storage, "earlier") == earlier);

    disk.resize(200);
    collect_leftovers(&storage).unwrap();
    assert_eq!(key_count(&storage), keys);
    load_text(&storage, folder, &late, "late");
    assert!(dump(&storage, "late") == late);
    storage.close_blocking().unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_then_space_returns() {
    check(true);
}

#[test]
fn a_full_disk_under_a_sort() {
    check(false);
}
