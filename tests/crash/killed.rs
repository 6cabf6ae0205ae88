//! A process that loads is killed at random moments.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use genomdb_loader::collect_leftovers;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixture::{dump, key_count, load_from, load_text, open, sam, sources};

/// Set in a process that is to load, and to be killed: its folder.
const CHILD: &str = "GENOMDB_CRASH_TEST_CHILD";

/// Prints a line for each piece that is read, so that the parent knows how far the load is.
struct Ticking(Cursor<Vec<u8>>);

impl Read for Ticking {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(10_000);
        let length = self.0.read(buffer.get_mut(..length).unwrap_or_default())?;
        println!("tick");
        Ok(length)
    }
}

/// No test of its own: the process that the other tests start and kill.
#[test]
fn child() {
    let Some(folder) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let storage = open(&folder);
    let text = fs::read(folder.join("late.sam")).unwrap();
    let on_progress = |progress| println!("tick {progress:?}");
    load_from(&storage, &folder, Ticking(Cursor::new(text)), "late", &on_progress).unwrap();
    println!("loaded");
}

fn start_child(folder: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "killed::child", "--nocapture"]).env(CHILD, folder);
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Kills the child when it has printed so many ticks; tells whether it had loaded, and how many it printed.
fn kill_after(mut child: Child, ticks: usize) -> (bool, usize) {
    let mut seen = 0;
    let mut loaded = false;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        loaded |= line.contains("loaded");
        seen += usize::from(line.contains("tick"));
        if seen == ticks {
            // SIGKILL. What it had printed by then is still read.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    (loaded, seen)
}

fn check(sorted: bool, seed: u64) {
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (earlier, late) = (sam(300, true, seed), sam(3_000, sorted, seed + 1));
    fs::write(folder.join("late.sam"), &late).unwrap();
    let keys = {
        let storage = open(folder);
        load_text(&storage, folder, &earlier, "earlier");
        key_count(&storage)
    };
    for round in 0..5 {
        // The text has some 100 pieces; a file that is not sorted is read once and a bit.
        let (loaded, seen) = kill_after(start_child(folder), random.random_range(1..130));
        let storage = open(folder);
        let context = format!("seed {seed}, round {round}, killed after {seen} ticks");
        if sources(&storage) == ["earlier", "late"] {
            assert!(dump(&storage, "late") == late, "a partial load; {context}");
            return;
        }
        assert!(!loaded, "a load that was reported is gone; {context}");
        assert_eq!(sources(&storage), ["earlier"], "{context}");
        collect_leftovers(&storage).unwrap();
        assert_eq!(key_count(&storage), keys, "leftovers; {context}");
        assert!(dump(&storage, "earlier") == earlier, "the earlier source has changed; {context}");
        let spilled = fs::read_dir(folder.join("spill")).map_or(0, Iterator::count);
        assert_eq!(spilled, 0, "spill files are left; {context}");
    }
    let storage = open(folder);
    load_text(&storage, folder, &late, "late");
    assert!(dump(&storage, "late") == late, "the next load; seed {seed}");
}

#[test]
fn a_killed_load_of_a_sorted_file_leaves_nothing() {
    check(true, 1);
    check(true, 2);
}

#[test]
fn a_killed_load_of_an_unsorted_file_leaves_nothing() {
    check(false, 3);
    check(false, 4);
}
