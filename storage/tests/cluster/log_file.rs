//! What a node says of itself, as lines of a file: for whoever looks for the reason of a failed test.

use std::{
    fmt::{self, Write as _},
    fs::File,
    io::Write as _,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

struct LogFile {
    file: Mutex<File>,
    begun: Instant,
    spans: AtomicU64,
}

/// Writes what happens in this process to a file.
pub(crate) fn begin(path: &Path) {
    let file = File::options().create(true).append(true).open(path).unwrap();
    let log = LogFile { file: Mutex::new(file), begun: Instant::now(), spans: AtomicU64::new(1) };
    tracing::subscriber::set_global_default(log).unwrap();
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for LogFile {
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
        let (metadata, at) = (event.metadata(), self.begun.elapsed());
        let mut line = Line(format!("{:9.3} {} {}:", at.as_secs_f64(), metadata.level(), metadata.target()));
        event.record(&mut line);
        line.0.push('\n');
        // A log that cannot be written is of no use, but nothing else.
        let _unwritten = self.file.lock().unwrap().write_all(line.0.as_bytes());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
