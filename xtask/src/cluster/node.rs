//! One node: a process that we started, and that we end.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::TaskError;

/// A running node; it is ended when it is dropped.
pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) address: String,
    pub(crate) folder: PathBuf,
    /// What it says on standard error.
    pub(crate) log: PathBuf,
    process: Child,
    is_missed: bool,
}

/// Where a node listened the last time, if it ever ran here.
pub(crate) fn known_address(folder: &Path, id: u64) -> Option<String> {
    let text = fs::read_to_string(address_file(folder, id)).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn address_file(folder: &Path, id: u64) -> PathBuf {
    folder.join(format!("node{id}.address"))
}

impl Node {
    /// Starts a node and waits until it listens; the first time on a port that the system chooses.
    pub(crate) fn start(binary: &Path, folder: &Path, id: u64, join: &[String]) -> Result<Self, TaskError> {
        let (data, log) = (folder.join(format!("node{id}")), folder.join(format!("node{id}.log")));
        let said = File::options().create(true).append(true).open(&log).map_err(TaskError::file(&log))?;
        let listen = known_address(folder, id).unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let mut command = Command::new(binary);
        command.args(["serve", "--node-id", &id.to_string(), "--listen", &listen, "--data"]).arg(&data);
        command.arg("--config").arg(folder.join("cluster.yaml"));
        for address in join.iter().filter(|address| **address != listen) {
            command.args(["--join", address]);
        }
        // What stands in the environment is for those who use the cluster.
        for name in ["GENOMDB_CONFIG", "GENOMDB_JOIN", "GENOMDB_ADVERTISE", "GENOMDB_LABELS"] {
            command.env_remove(name);
        }
        // A group of its own: Ctrl-C reaches us alone, and we stop the nodes in order.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
        let process = command.spawn();
        let process =
            process.map_err(|source| TaskError::Start { program: binary.display().to_string(), source })?;
        let mut node = Self { id, address: String::new(), folder: data, log, process, is_missed: false };
        let mut line = String::new();
        if let Some(output) = node.process.stdout.take() {
            // It says one line when it listens, or ends.
            BufReader::new(output).read_line(&mut line).map_err(TaskError::file(&node.log))?;
        }
        let address = line.trim_end().rsplit_once(" listens at ").map(|(_, address)| address.to_owned());
        node.address = address.ok_or_else(|| node.ended())?;
        let file = address_file(folder, id);
        fs::write(&file, &node.address).map_err(TaskError::file(&file))?;
        Ok(node)
    }

    fn ended(&self) -> TaskError {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
        TaskError::Input(format!("node {} ended; its last words: {last}", self.id))
    }

    /// An error if it ended.
    pub(crate) fn check_alive(&mut self) -> Result<(), TaskError> {
        match self.process.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(self.ended()),
        }
    }

    /// Whether this is the first time that it is asked for.
    pub(crate) fn is_missed(&mut self) -> bool {
        !std::mem::replace(&mut self.is_missed, true)
    }

    /// Tells it to stop in order.
    pub(crate) fn tell_to_stop(&mut self) {
        // The number of one that ended and was waited for may be that of another process by now.
        if matches!(self.process.try_wait(), Ok(None))
            && let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw)
        {
            let _ended = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits until it has stopped.
    pub(crate) fn wait(mut self) -> Result<(), TaskError> {
        self.process.wait().map(drop).map_err(TaskError::file(&self.folder))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // Nobody waited for it: something went wrong before.
            let _ended = self.process.kill();
            let _status = self.process.wait();
        }
    }
}
