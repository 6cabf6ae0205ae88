//! What is taller than the screen goes through a pager: `$PAGER`, or `less -SFRX`.

use std::{
    io::{self, Write},
    process::{Child, Command, Stdio},
};

/// The pager of those who name none.
const PAGER: &str = "less -SFRX";

/// Writes on the terminal, through a pager once there are more lines than it shows.
pub struct Paged {
    lines_max: Option<usize>,
    state: State,
}

enum State {
    /// It may still fit.
    Waiting {
        bytes: Vec<u8>,
        lines: usize,
    },
    Pager(Child),
    Terminal(io::Stdout),
}

impl Paged {
    /// A terminal that shows so many lines; `None` is one without a pager.
    pub fn new(lines_max: Option<usize>) -> Self {
        let state = match lines_max {
            Some(_) => State::Waiting { bytes: Vec::new(), lines: 0 },
            None => State::Terminal(io::stdout()),
        };
        Self { lines_max, state }
    }

    /// Whether a pager has it.
    pub const fn is_paged(&self) -> bool {
        matches!(self.state, State::Pager(_))
    }

    /// Writes what waits, and waits until the reader of the pager has left it.
    ///
    /// # Errors
    ///
    /// If the terminal refuses the bytes.
    pub fn end(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.state, State::Terminal(io::stdout())) {
            State::Waiting { bytes, .. } => {
                let mut terminal = io::stdout();
                terminal.write_all(&bytes)?;
                terminal.flush()
            }
            State::Pager(mut pager) => {
                // It has seen the end when nobody can write to it any more.
                drop(pager.stdin.take());
                pager.wait().map(drop)
            }
            State::Terminal(mut terminal) => terminal.flush(),
        }
    }

    /// There are too many lines: the pager gets what there is, or the terminal if there is no pager.
    fn overflow(&mut self) -> io::Result<()> {
        let State::Waiting { bytes, .. } = &mut self.state else { return Ok(()) };
        let bytes = std::mem::take(bytes);
        self.state = match start() {
            Ok(pager) => State::Pager(pager),
            Err(_) => State::Terminal(io::stdout()),
        };
        self.write_all(&bytes)
    }
}

impl Write for Paged {
    fn write(&mut self, new: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Terminal(terminal) => terminal.write(new),
            State::Pager(pager) => match &mut pager.stdin {
                Some(input) => input.write(new),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            },
            State::Waiting { bytes, lines } => {
                bytes.extend_from_slice(new);
                *lines += new.iter().filter(|&&byte| byte == b'\n').count();
                if self.lines_max.is_some_and(|most| *lines > most) {
                    self.overflow()?;
                }
                Ok(new.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.state {
            State::Waiting { .. } => Ok(()),
            State::Terminal(terminal) => terminal.flush(),
            State::Pager(pager) => pager.stdin.as_mut().map_or(Ok(()), Write::flush),
        }
    }
}

impl Drop for Paged {
    fn drop(&mut self) {
        // A result that broke off: what came of it is shown, and the error follows it.
        let _gone = self.end();
    }
}

fn start() -> io::Result<Child> {
    let pager = std::env::var("PAGER").ok().filter(|pager| !pager.trim().is_empty());
    // As other programs do: it is a command line.
    let command = pager.as_deref().unwrap_or(PAGER);
    Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).spawn()
}
