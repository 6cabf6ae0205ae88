//! How far a query is: one line on standard error, once it has taken half a second, gone when it is over.

use std::{
    io::{IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use indicatif::{BinaryBytes, HumanCount};

use crate::connection::{Progress, Running, Watcher};

/// Nobody wants to know it of a query that is over before.
const SILENCE: Duration = Duration::from_millis(500);
/// How often the line is drawn.
const DRAW_INTERVAL: Duration = Duration::from_millis(100);

/// The line of one query.
pub struct ProgressLine {
    began: Instant,
    watcher: Option<Watcher>,
    is_drawn: bool,
    is_over: bool,
}

impl ProgressLine {
    /// Prepares the line of a query; there is none where standard error is no terminal, or `quiet`.
    pub fn new(running: &Running, quiet: bool) -> Self {
        let is_over = quiet || !std::io::stderr().is_terminal();
        Self { began: running.began(), watcher: None, is_drawn: false, is_over }
    }

    /// Waits until it is time to draw again. It may be dropped and called again.
    pub async fn due(&self) {
        if self.is_over {
            return std::future::pending().await;
        }
        let elapsed = self.began.elapsed();
        tokio::time::sleep(SILENCE.saturating_sub(elapsed).max(DRAW_INTERVAL)).await;
    }

    /// Draws the line, with the rows that have arrived.
    pub fn draw(&mut self, running: &Running, rows: u64) {
        let watcher = self.watcher.get_or_insert_with(|| running.watch());
        let progress = watcher.progress();
        let text = words(&Progress { rows: progress.rows.max(rows), ..progress }, self.began.elapsed());
        // A terminal that is gone is no reason to stop.
        let _gone = write!(std::io::stderr(), "\r\x1b[K{text}");
        self.is_drawn = true;
    }

    /// Takes the line away for good: something else is about to be written there.
    pub fn end(&mut self) {
        if self.is_drawn {
            let _gone = write!(std::io::stderr(), "\r\x1b[K");
        }
        (self.is_drawn, self.is_over, self.watcher) = (false, true, None);
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.end();
    }
}

fn words(progress: &Progress, elapsed: Duration) -> String {
    let Progress { rows, bytes_read, blocks_read, blocks_pruned } = *progress;
    let mut text = format!("{} rows", HumanCount(rows));
    if bytes_read > 0 || blocks_read > 0 {
        text.push_str(&format!(", {} and {} blocks read", BinaryBytes(bytes_read), HumanCount(blocks_read)));
    }
    if blocks_pruned > 0 {
        text.push_str(&format!(", {} pruned", HumanCount(blocks_pruned)));
    }
    text.push_str(&format!(", {:.1} s; Ctrl-C cancels", elapsed.as_secs_f64()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_is_said() {
        let elapsed = Duration::from_millis(1250);
        let rows = Progress { rows: 12_345, ..Progress::default() };
        assert_eq!(words(&rows, elapsed), "12,345 rows, 1.2 s; Ctrl-C cancels");
        let all = Progress { bytes_read: 3 << 20, blocks_read: 7, blocks_pruned: 1_000, ..rows };
        let expected = "12,345 rows, 3.00 MiB and 7 blocks read, 1,000 pruned, 1.2 s; Ctrl-C cancels";
        assert_eq!(words(&all, elapsed), expected);
    }
}
