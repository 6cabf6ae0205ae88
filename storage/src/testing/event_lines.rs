//! What the code says of itself, as lines: for whoever looks for the reason of a failed test.

use std::{
    fmt::{self, Write as _},
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

struct EventLines<Out> {
    out: Mutex<Out>,
    now: fn() -> Duration,
    spans: AtomicU64,
}

/// Writes what happens in this process to `out`, with the time that `now` says; once in a process.
pub fn write_events(out: impl io::Write + Send + 'static, now: fn() -> Duration) {
    let lines = EventLines { out: Mutex::new(out), now, spans: AtomicU64::new(1) };
    // Whoever came first stays.
    let _set = tracing::subscriber::set_global_default(lines);
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A string takes what is written to it.
        let _written = write!(self.0, " {}={value:?}", field.name());
    }
}

impl<Out: io::Write + Send + 'static> Subscriber for EventLines<Out> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let own = metadata.target().starts_with("genomdb");
        metadata.is_event() && *metadata.level() <= if own { Level::DEBUG } else { Level::INFO }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let (metadata, at) = (event.metadata(), (self.now)().as_secs_f64());
        let mut line = Line(format!("{at:12.6} {} {}:", metadata.level(), metadata.target()));
        event.record(&mut line);
        line.0.push('\n');
        // Lines that cannot be written are of no use, but nothing else.
        let _unwritten = self.out.lock().write_all(line.0.as_bytes());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
