//! How far a load is: a bar on a terminal, a plain line now and then elsewhere.

use std::{
    io::IsTerminal,
    sync::Mutex,
    time::{Duration, Instant},
};

use genomdb_server::{LoadPhase, Observer, Progress};
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How long nothing is said where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// Shows the progress of loads on standard error.
pub struct LoadBar(Option<Mutex<State>>);

struct State {
    bar: Option<ProgressBar>,
    begin: Instant,
    last_line: Instant,
}

impl LoadBar {
    /// Creates a bar that appears with the first report; a quiet one never does.
    pub fn new(quiet: bool) -> Self {
        let now = Instant::now();
        Self((!quiet).then(|| Mutex::new(State { bar: None, begin: now, last_line: now })))
    }
}

impl Observer for LoadBar {
    fn loading(&self, source: &str, progress: &Progress) {
        let Some(Ok(mut state)) = self.0.as_ref().map(Mutex::lock) else { return };
        if std::io::stderr().is_terminal() {
            state.draw(source, progress);
        } else {
            state.say(source, progress);
        }
    }
}

impl Drop for LoadBar {
    fn drop(&mut self) {
        if let Some(Ok(state)) = self.0.as_ref().map(Mutex::lock)
            && let Some(bar) = &state.bar
        {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn draw(&mut self, source: &str, progress: &Progress) {
        let bar = self.bar.get_or_insert_with(|| {
            let bar =
                ProgressBar::with_draw_target(progress.bytes_total, ProgressDrawTarget::stderr_with_hz(10));
            let template = match progress.bytes_total {
                Some(_) => "{prefix} {bar:30} {percent}% {msg}, {eta} left",
                None => "{prefix} {spinner} {bytes} {msg}",
            };
            bar.with_style(
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
            )
        });
        bar.set_prefix(source.to_owned());
        bar.set_position(progress.bytes_read);
        bar.set_message(words(progress, self.begin.elapsed()));
    }

    fn say(&mut self, source: &str, progress: &Progress) {
        if self.last_line.elapsed() < LINE_INTERVAL {
            return;
        }
        self.last_line = Instant::now();
        let elapsed = self.begin.elapsed();
        let share = progress.bytes_total.filter(|&total| total > 0).map(|total| {
            let done = progress.bytes_read as f64 / total as f64;
            let left = elapsed.as_secs_f64() * (1.0 - done) / done.max(1e-6);
            format!(", {:.0} %, {left:.0} s left", done * 100.0)
        });
        eprintln!("{source}: {}{}", words(progress, elapsed), share.unwrap_or_default());
    }
}

fn words(progress: &Progress, elapsed: Duration) -> String {
    let rate = progress.records as f64 / elapsed.as_secs_f64().max(1e-3);
    let verb = match progress.phase {
        LoadPhase::Loading => "",
        LoadPhase::Sorting => "sorting, ",
        LoadPhase::Merging => "merging, ",
        LoadPhase::Publishing => "finishing, ",
    };
    format!("{verb}{} records, {}/s", HumanCount(progress.records), HumanCount(rate as u64))
}
