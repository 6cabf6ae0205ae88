//! A process that loads is killed at random moments.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Cursor, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use genomdb_loader::{collect_leftovers, drop_source};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::fixture::{dump, key_count, load_from, load_text, open, sam, sources};

/// Set in a process that is to load, and to be killed: its folder.
const CHILD: &str = "GENOMDB_CRASH_TEST_CHILD";

/// Tells the parent that the load has come a step further, and waits until it may go on, or is killed.
pub(crate) fn step() {
    println!("step");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).unwrap();
}

/// Gives its bytes out in small pieces, each a step.
struct InSteps(Cursor<Vec<u8>>);

impl Read for InSteps {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        step();
        let length = buffer.len().min(10_000);
        self.0.read(buffer.get_mut(..length).unwrap_or_default())
    }
}

/// No test of its own: the process that the other tests start and kill.
#[test]
fn child() {
    let Some(folder) = env::var_os(CHILD).map(PathBuf::from) else { return };
    let storage = open(&folder);
    let text = fs::read(folder.join("late.sam")).unwrap();
    load_from(&storage, &folder, InSteps(Cursor::new(text)), "late", &|_| step()).unwrap();
    println!("loaded");
}

/// Starts a test of this program as a process of its own, on a folder.
pub(crate) fn start_child(test: &str, variable: &str, folder: &Path) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(variable, folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Lets the child go so many steps and kills it; tells whether it had loaded, and how far it came.
///
/// At each step the child waits for us, but its threads that encode and write do not.
pub(crate) fn kill_after(mut child: Child, steps: usize) -> (bool, usize) {
    let (stdout, mut stdin) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    let (mut seen, mut loaded) = (0, false);
    for line in BufReader::new(stdout).lines() {
        let line = line.unwrap();
        loaded |= line.contains("loaded");
        if line.contains("step") {
            seen += 1;
            if seen == steps {
                // SIGKILL. What it had printed by then is still read.
                child.kill().unwrap();
            } else {
                let _gone = stdin.write_all(b"go\n");
            }
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
    let mut leftovers = 0;
    for round in 0..5 {
        // The text has some 100 pieces, and some steps are of other phases.
        let (loaded, seen) =
            kill_after(start_child("killed::child", CHILD, folder), random.random_range(1..100));
        let storage = open(folder);
        let context = format!("seed {seed}, round {round}, killed at step {seen}");
        if sources(&storage) == ["earlier", "late"] {
            assert!(dump(&storage, "late") == late, "a partial load; {context}");
            drop_source(&storage, "main", "reads", "late").unwrap().collect().unwrap();
            continue;
        }
        assert!(!loaded, "a load that was reported is gone; {context}");
        assert_eq!(sources(&storage), ["earlier"], "{context}");
        leftovers += collect_leftovers(&storage).unwrap();
        assert_eq!(key_count(&storage), keys, "leftovers; {context}");
        assert!(dump(&storage, "earlier") == earlier, "the earlier source has changed; {context}");
        let spilled = fs::read_dir(folder.join("spill")).map_or(0, Iterator::count);
        assert_eq!(spilled, 0, "spill files are left; {context}");
    }
    // A sort writes nothing before it has read everything; then there are few steps to be killed at.
    assert!(!sorted || 0 < leftovers, "no kill came between two writes; seed {seed}");
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
