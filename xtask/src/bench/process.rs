//! Runs a program to its end and measures it: wall time, and the most memory it ever held.
//!
//! Memory is the kernel's own high-water mark, read from `/proc` while the program runs; elsewhere than on
//! Linux it is not known.

use std::{
    fs,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::TaskError;

/// What a finished program took and said.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) seconds: f64,
    /// Resident bytes at their highest; 0 where that is not known.
    pub(crate) peak_bytes: u64,
    pub(crate) stdout: Vec<u8>,
}

/// How often the high-water mark is read; it only rises, so that little is missed at the end.
const WATCH_INTERVAL: Duration = Duration::from_millis(10);

/// Whether the output is wanted; where it is not, it goes nowhere, and the program is not held up by us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Keep,
    Discard,
}

/// Runs the program; one that fails is an error with what it said last.
pub(crate) fn run(program: &str, args: &[&str], output: Output) -> Result<Finished, TaskError> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::piped());
    command.stdout(if output == Output::Keep { Stdio::piped() } else { Stdio::null() });
    let began = Instant::now();
    let child = command.spawn().map_err(|source| TaskError::Start { program: program.to_owned(), source })?;
    let status_file = format!("/proc/{}/status", child.id());
    let (peak, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let finished = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                if let Some(bytes) = high_water_bytes(&status_file) {
                    peak.fetch_max(bytes, Ordering::Relaxed);
                }
                thread::park_timeout(WATCH_INTERVAL);
            }
        });
        let finished = child.wait_with_output();
        let seconds = began.elapsed().as_secs_f64();
        done.store(true, Ordering::Release);
        watcher.thread().unpark();
        finished.map(|finished| (finished, seconds))
    });
    let (finished, seconds) =
        finished.map_err(|source| TaskError::Start { program: program.to_owned(), source })?;
    if !finished.status.success() {
        let said = String::from_utf8_lossy(&finished.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned();
        return Err(TaskError::Input(format!("{program} {}: {}: {last}", args.join(" "), finished.status)));
    }
    Ok(Finished { seconds, peak_bytes: peak.into_inner(), stdout: finished.stdout })
}

/// The first line a program prints when asked for its version, or None where it is not installed.
pub(crate) fn version(program: &str, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// The `VmHWM` line of a process, in bytes.
fn high_water_bytes(status_file: &str) -> Option<u64> {
    let status = fs::read_to_string(status_file).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_timed_and_its_output_kept() {
        let finished = run("sh", &["-c", "echo 42"], Output::Keep).unwrap();
        assert_eq!(finished.stdout, b"42\n");
        assert!(finished.seconds > 0.0);
        let failed = run("sh", &["-c", "echo broken >&2; exit 3"], Output::Discard).unwrap_err();
        assert!(failed.to_string().ends_with("exit status: 3: broken"), "{failed}");
        assert_eq!(version("no-such-program-anywhere", "--version"), None);
    }
}
