//! `genomdb cluster`: how a cluster stands, and what an operator changes about it.

mod show;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use genomdb_server::cluster::{
    Admin, NodeId, RangeId, Status, StorageError,
    key_text::{self, BadKey},
    report,
};
use serde_json::{Value, json};

use crate::{
    args::cluster::{Action, Check, Cluster, Drain, Join, Split},
    exit,
};

/// How often is looked whether what is waited for has happened.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum ClusterError {
    /// The cluster refuses, or does not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// What was waited for did not happen.
    #[error("not within {} s: {what}", limit.as_secs())]
    NotInTime { what: String, limit: Duration },
    /// Replicas of ranges hold different things, or did not answer.
    #[error("{0}")]
    Differs(String),
    /// Not every range has all its copies.
    #[error("{under_replicated} ranges have too few copies, and {unavailable} are unavailable")]
    Unhealthy { under_replicated: usize, unavailable: usize },
    #[error(transparent)]
    Key(#[from] BadKey),
}

impl ClusterError {
    fn report(&self) -> ExitCode {
        let code = match self {
            Self::Key(_) => exit::USAGE,
            Self::Storage(StorageError::Unavailable { .. } | StorageError::Io { .. }) => exit::UNREACHABLE,
            _ => exit::FAILED,
        };
        exit::fail(code, self)
    }
}

/// Runs `genomdb cluster`.
pub fn run(arguments: &Cluster) -> ExitCode {
    let addresses = super::present(&arguments.connect);
    if addresses.is_empty() {
        eprintln!("error: --connect (GENOMDB_CONNECT) names no node");
        return ExitCode::from(exit::USAGE);
    }
    let answer = Admin::connect(&addresses)
        .map_err(ClusterError::from)
        .and_then(|admin| act(&admin, arguments, &addresses.join(",")));
    match answer {
        Ok(()) => ExitCode::from(exit::DONE),
        Err(error) => error.report(),
    }
}

fn act(admin: &Admin, arguments: &Cluster, addresses: &str) -> Result<(), ClusterError> {
    let say = Say { json: arguments.json };
    match &arguments.action {
        Action::Status(options) => {
            let status = match options.wait {
                Some(seconds) => wait(admin, seconds, "every range has all its copies", is_settled)?,
                None => admin.status()?,
            };
            say.both(|| show::status(&status), || json!(report::Cluster::from(&status)));
            let Status { under_replicated, unavailable, .. } = status;
            let healthy = under_replicated == 0 && unavailable == 0;
            if options.healthy && !healthy {
                return Err(ClusterError::Unhealthy { under_replicated, unavailable });
            }
            Ok(())
        }
        Action::Ranges => {
            let status = admin.status()?;
            say.both(|| show::ranges(&status), || json!(report::Ranges::from(&status)));
            Ok(())
        }
        Action::Join(options) => join(admin, options, addresses, say),
        Action::Remove(options) => {
            admin.remove(NodeId(options.node), options.force)?;
            say.done(&format!("node {} is no member any more", options.node));
            Ok(())
        }
        Action::Drain(options) => drain(admin, options, say),
        Action::Undrain(options) => {
            admin.drain(NodeId(options.node), false)?;
            say.done(&format!("node {} is used again", options.node));
            Ok(())
        }
        Action::Split(options) => split(admin, options, say),
        Action::TransferLeader(options) => {
            let (range, node) = (RangeId(options.range), NodeId(options.node));
            admin.transfer_leader(range, node)?;
            say.done(&format!("range {range} is being handed to node {node}"));
            Ok(())
        }
        Action::Check(options) => check(admin, options, say),
    }
}

/// How answers are printed.
#[derive(Clone, Copy)]
struct Say {
    json: bool,
}

impl Say {
    fn both(self, text: impl FnOnce() -> String, value: impl FnOnce() -> Value) {
        if self.json {
            println!("{:#}", value());
        } else {
            print!("{}", text());
        }
    }

    fn done(self, text: &str) {
        self.both(|| format!("{text}\n"), || json!({ "done": text }));
    }
}

/// Whether everything is where it shall be.
fn is_settled(status: &Status) -> bool {
    status.under_replicated == 0 && status.unavailable == 0 && status.operators.is_empty()
}

/// Asks again and again until the cluster stands so.
fn wait(
    admin: &Admin,
    seconds: u64,
    what: &str,
    is_it_so: impl Fn(&Status) -> bool,
) -> Result<Status, ClusterError> {
    let limit = Duration::from_secs(seconds);
    let began = Instant::now();
    loop {
        // A leader that changes meanwhile is no reason to give up early.
        match admin.status() {
            Ok(status) if is_it_so(&status) => return Ok(status),
            Err(error) if began.elapsed() >= limit => return Err(error.into()),
            Ok(_) | Err(StorageError::Unavailable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if began.elapsed() >= limit {
            return Err(ClusterError::NotInTime { what: what.to_owned(), limit });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn join(admin: &Admin, options: &Join, addresses: &str, say: Say) -> Result<(), ClusterError> {
    let id = NodeId(options.node);
    let is_member = |status: &Status| status.nodes.iter().any(|node| node.id == id && node.live);
    if !admin.status().is_ok_and(|status| is_member(&status)) {
        eprintln!("waiting for node {id}; where it shall run:");
        eprintln!("  genomdb serve --data DIR --node-id {id} --listen HOST:PORT --join {addresses}");
    }
    let holds = |status: &Status| {
        let node = status.nodes.iter().find(|node| node.id == id && node.live);
        // A cluster that has all the copies that it shall have may leave the new one empty for now.
        node.is_some_and(|node| node.replicas > 0 || is_settled(status))
    };
    let status = wait(admin, options.timeout, &format!("node {id} is a member and holds copies"), holds)?;
    let replicas = status.nodes.iter().find(|node| node.id == id).map_or(0, |node| node.replicas);
    let copies = if replicas == 1 { "1 copy".to_owned() } else { format!("{replicas} copies") };
    say.done(&format!("node {id} is a member and holds {copies}"));
    Ok(())
}

fn drain(admin: &Admin, options: &Drain, say: Say) -> Result<(), ClusterError> {
    let id = NodeId(options.node);
    admin.drain(id, true)?;
    let Some(seconds) = options.wait else {
        say.done(&format!("node {id} is being drained; `cluster status` shows what it still holds"));
        return Ok(());
    };
    let is_empty = |status: &Status| {
        status.nodes.iter().find(|node| node.id == id).is_none_or(|node| node.replicas == 0)
    };
    wait(admin, seconds, &format!("node {id} holds nothing"), is_empty)?;
    say.done(&format!("node {id} holds nothing"));
    Ok(())
}

fn split(admin: &Admin, options: &Split, say: Say) -> Result<(), ClusterError> {
    let at = options.at.as_deref().map(key_text::parse).transpose()?;
    admin.split(RangeId(options.range), at)?;
    say.done(&format!("range {} is being split", options.range));
    Ok(())
}

fn check(admin: &Admin, options: &Check, say: Say) -> Result<(), ClusterError> {
    let ranges = match options.range {
        Some(range) => vec![RangeId(range)],
        None => admin.status()?.ranges.iter().map(|range| range.descriptor.id).collect(),
    };
    let mut checked = Vec::new();
    for range in ranges {
        checked.push((range, admin.check(range)?));
    }
    say.both(|| show::checks(&checked), || json!(report::Checks::from(checked.as_slice())));
    let bad = checked.iter().filter(|(_, replicas)| !report::are_equal(replicas));
    let bad: Vec<String> = bad.map(|(range, _)| range.to_string()).collect();
    if bad.is_empty() {
        return Ok(());
    }
    Err(ClusterError::Differs(format!(
        "copies of range {} differ, or did not answer; a copy is built anew when its node begins with an \
         empty folder",
        bad.join(", ")
    )))
}
