//! `genomdb load`: files into a table, each at once or not at all.

use std::{path::Path, process::ExitCode, sync::Arc, time::Duration};

use genomdb_server::{CancelToken, LoadReport, LoadRequest, Node, Observer};
use indicatif::{HumanBytes, HumanCount};

use crate::{args::Load, command, exit, progress::LoadBar};

/// Runs `genomdb load`.
pub fn run(arguments: &Load) -> ExitCode {
    if arguments.name.is_some() && arguments.files.len() > 1 {
        eprintln!("error: --name gives one source its name, and there are {} files", arguments.files.len());
        return ExitCode::from(exit::USAGE);
    }
    let (runtime, node) = match command::open(&arguments.data) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let cancel = CancelToken::new();
    let watcher = runtime.spawn(watch(cancel.clone()));
    let code = arguments
        .files
        .iter()
        .try_for_each(|file| runtime.block_on(load_file(&node, arguments, file, &cancel)));
    watcher.abort();
    let closed = runtime.block_on(node.close());
    match (code, closed) {
        (Err(code), _) => code,
        (Ok(()), Err(error)) => exit::fail(exit::FAILED, &error),
        (Ok(()), Ok(())) => ExitCode::from(exit::DONE),
    }
}

/// Cancels the load at Ctrl-C; what it wrote is then taken back before the process ends.
async fn watch(cancel: CancelToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        eprintln!("interrupted: taking back what was written");
        cancel.cancel();
    }
}

async fn load_file(node: &Node, arguments: &Load, file: &Path, cancel: &CancelToken) -> Result<(), ExitCode> {
    let request = LoadRequest {
        path: (file.as_os_str() != "-").then(|| file.to_owned()),
        table: arguments.into.clone(),
        name: arguments.name.clone(),
        sample: arguments.sample.clone(),
        reference: arguments.reference.clone(),
        force: arguments.force,
        threads: arguments.threads,
        ..LoadRequest::default()
    };
    let bar: Arc<dyn Observer> = Arc::new(LoadBar::new(arguments.quiet));
    let result = node.load(&request, &bar, cancel).await;
    drop(bar);
    match result {
        Ok(report) => {
            if !arguments.quiet {
                println!("{}", summary(&report, &arguments.into));
            }
            Ok(())
        }
        Err(_) if cancel.is_cancelled() => Err(ExitCode::from(exit::INTERRUPTED)),
        Err(error) => Err(exit::fail(exit::FAILED, &error)),
    }
}

fn summary(report: &LoadReport, table: &str) -> String {
    let rate = report.records as f64 / report.duration.max(Duration::from_millis(1)).as_secs_f64();
    format!(
        "{}: {} records into `{table}` in {:.1} s ({}/s), {} stored",
        report.name,
        HumanCount(report.records),
        report.duration.as_secs_f64(),
        HumanCount(rate as u64),
        HumanBytes(report.stored_bytes),
    )
}
