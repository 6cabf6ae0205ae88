//! What a node says on standard error while it runs: one line an event, `time level target: message
//! field=value`.
//!
//! A subscriber of our own: writing lines is all that is needed, and what exists for it brings a dozen
//! crates along.

use std::{
    fmt::Write as _,
    io::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
    span,
};

/// The variable that says what is logged.
const VARIABLE: &str = "GENOMDB_LOG";

/// Begins to log, as `VARIABLE` says.
///
/// # Errors
///
/// If the variable says something that is no level.
pub fn begin() -> Result<(), String> {
    let text = std::env::var(VARIABLE).unwrap_or_default();
    let level = match text.trim() {
        "" => LevelFilter::INFO,
        text => text.parse().map_err(|_| {
            format!("{VARIABLE} is `{text}`; it must be off, error, warn, info, debug or trace")
        })?,
    };
    // Whoever embeds us may log already; then it goes there.
    let _taken = tracing::subscriber::set_global_default(Lines(level));
    Ok(())
}

/// Writes events up to a level; spans are not shown.
struct Lines(LevelFilter);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Raft and the crates below it talk about every message: their warnings are enough, unless
        // everything is wanted.
        let own = metadata.target().starts_with("genomdb");
        let most = if own || self.0 >= LevelFilter::DEBUG { self.0 } else { self.0.min(LevelFilter::WARN) };
        metadata.is_event() && *metadata.level() <= most
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0)
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let line = line(event, SystemTime::now());
        // Nobody is left to be told that standard error is closed.
        let _closed = std::io::stderr().lock().write_all(line.as_bytes());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

fn line(event: &Event<'_>, now: SystemTime) -> String {
    let level = match *event.metadata().level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN ",
        Level::INFO => "INFO ",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    };
    let mut words = Words::default();
    event.record(&mut words);
    let Words { message, fields } = words;
    format!("{} {level} {}: {message}{fields}\n", time(now), event.metadata().target())
}

/// The message of an event, and its other fields.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing into a string does not fail.
        let _written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

/// A moment in UTC, as `2026-01-31T23:59:59.999Z`.
pub(crate) fn time(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", since.subsec_millis())
}

/// Year, month and day of a number of days since 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    // Years begin in March, so that the day that comes every four years is the last of its year.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_767_225_599, "2025-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(time(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
