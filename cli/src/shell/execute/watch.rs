//! `\watch`: a statement again and again.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::{Shell, Stop};
use crate::printer::RunError;

impl Shell<'_> {
    /// Runs a statement so many seconds apart, until Ctrl-C or an error.
    pub(super) fn watch(&mut self, statement: Option<String>, seconds: f64) -> Result<(), Stop> {
        let statement = self.statement_for(statement)?;
        let pause = Duration::from_secs_f64(seconds);
        // One that hears all the time: a Ctrl-C between two runs is one, too.
        let mut interrupts = self.runtime.block_on(async { signal(SignalKind::interrupt()) })?;
        // A pager would wait for its reader each time.
        let has_pager = std::mem::replace(&mut self.printer.style.has_pager, false);
        let done = loop {
            match self.run_statements(&statement) {
                Ok(()) => {}
                Err(Stop::Failed(RunError::Interrupted)) => break Ok(()),
                Err(stop) => break Err(stop),
            }
            let is_interrupted = self.runtime.block_on(async {
                tokio::select! {
                    biased;
                    _ = interrupts.recv() => true,
                    () = tokio::time::sleep(pause) => false,
                }
            });
            if is_interrupted {
                break Ok(());
            }
        };
        self.printer.style.has_pager = has_pager;
        done
    }
}
