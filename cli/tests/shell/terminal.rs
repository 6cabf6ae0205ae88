//! A terminal in which a program runs: keys go in, and the screen is looked at.

use std::{
    io::{Read as _, Write as _},
    num::NonZeroU16,
    process::Child,
    sync::{Arc, Condvar, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{Command, Pty, open},
};

/// How long anything may take on a machine that does other things besides.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many characters before the cursor tell that a text was typed.
const TYPED: usize = 24;

pub(crate) const ENTER: &str = "\r";
pub(crate) const TAB: &str = "\t";
pub(crate) const UP: &str = "\x1b[A";
pub(crate) const CTRL_END: &str = "\x1b[1;5F";
pub(crate) const ESCAPE: &str = "\x1b";
pub(crate) const BACKSPACE: &str = "\x7f";

/// The key of a letter with Ctrl.
pub(crate) fn ctrl(letter: char) -> String {
    char::from(letter as u8 & 0x1f).to_string()
}

/// A terminal with a program in it; it is killed when the test ends.
pub(crate) struct Terminal {
    pty: Arc<Pty>,
    shared: Arc<Shared>,
    program: Child,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Replies>,
    /// Whether the program has closed it.
    is_closed: bool,
}

/// What a terminal answers when it is asked where its cursor stands.
#[derive(Default)]
struct Replies(Vec<String>);

impl vt100::Callbacks for Replies {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        _: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        command: char,
    ) {
        if command == 'n' && parameters.first() == Some(&[6].as_slice()) {
            let (row, column) = screen.cursor_position();
            self.0.push(format!("\x1b[{};{}R", row + 1, column + 1));
        }
    }
}

impl Terminal {
    /// Runs a program in a terminal of so many rows and columns.
    pub(crate) fn start(command: Command, rows: u16, columns: u16) -> Self {
        let (pty, pts) = open().unwrap();
        pty.resize(Size::new(rows, columns)).unwrap();
        let program = command.spawn(pts).unwrap();
        let size = |number| NonZeroU16::new(number).unwrap();
        let parser = vt100::Parser::new_with_callbacks(size(rows), size(columns), 0, Replies::default());
        let state = Mutex::new(State { parser, is_closed: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let pty = Arc::new(pty);
        let reader = std::thread::spawn({
            let (pty, shared) = (Arc::clone(&pty), Arc::clone(&shared));
            move || read(&pty, &shared)
        });
        Self { pty, shared, program, reader: Some(reader) }
    }

    /// Presses keys.
    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).unwrap();
    }

    /// Types a text and waits until it is seen, as a person does before Enter: what comes all at once is taken
    /// for pasted.
    #[track_caller]
    pub(crate) fn type_text(&self, text: &str) {
        self.press(text);
        let characters: Vec<char> = text.chars().collect();
        let end: String = characters[characters.len().saturating_sub(TYPED)..].iter().collect();
        self.wait(&format!("`{end}` before the cursor"), |screen| before_cursor(screen).ends_with(&end));
    }

    /// Waits until a text stands before the cursor, whatever hints stand behind it.
    #[track_caller]
    pub(crate) fn wait_for_typed(&self, text: &str) {
        self.wait(&format!("`{text}` before the cursor"), |screen| before_cursor(screen).ends_with(text));
    }

    /// Types a line, and Enter.
    #[track_caller]
    pub(crate) fn enter(&self, text: &str) {
        self.type_text(text);
        self.press(ENTER);
    }

    /// Waits for a prompt with nothing behind it, below `text`.
    #[track_caller]
    pub(crate) fn wait_for_prompt_after(&self, text: &str) -> String {
        self.wait_for(&format!("`{text}` and a prompt"), |screen| {
            let last = screen.trim_end().lines().last().unwrap_or_default();
            screen.contains(text) && last.trim_end() == "gql>"
        })
    }

    /// Waits until the screen holds a text.
    #[track_caller]
    pub(crate) fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Waits until the screen is as it should be, and returns what is on it.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        self.wait(what, |screen| is_so(&screen.contents()))
    }

    #[track_caller]
    fn wait(&self, what: &str, is_so: impl Fn(&vt100::Screen) -> bool) -> String {
        let began = Instant::now();
        let mut state = self.shared.state.lock().unwrap();
        loop {
            let screen = state.parser.screen().contents();
            if is_so(state.parser.screen()) {
                return screen;
            }
            assert!(!state.is_closed, "the program ended before {what}:\n{screen}");
            let left = PATIENCE.checked_sub(began.elapsed());
            let left = left.unwrap_or_else(|| panic!("no {what} on the screen:\n{screen}"));
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Waits until the program ends, and returns its exit code and the last screen.
    pub(crate) fn end(mut self) -> (i32, String) {
        let code = self.program.wait().unwrap().code().unwrap_or(-1);
        self.reader.take().unwrap().join().unwrap();
        let screen = self.shared.state.lock().unwrap().parser.screen().contents();
        (code, screen)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if matches!(self.program.try_wait(), Ok(None)) {
            let _ended = self.program.kill();
            let _status = self.program.wait();
        }
    }
}

/// What stands before the cursor in its line and the one above.
fn before_cursor(screen: &vt100::Screen) -> String {
    let (row, column) = screen.cursor_position();
    let (_, width) = screen.size();
    let cell = |row, column| match screen.cell(row, column).map(vt100::Cell::contents) {
        None | Some("") => " ".to_owned(),
        Some(text) => text.to_owned(),
    };
    let above = (0..width.get()).filter(|_| row > 0).map(|column| cell(row - 1, column));
    above.chain((0..column).map(|column| cell(row, column))).collect()
}

fn read(pty: &Pty, shared: &Shared) {
    let mut bytes = [0; 4096];
    loop {
        // A terminal whose program is gone is an error of the system, and the end of it here.
        let count = (&mut &*pty).read(&mut bytes).unwrap_or(0);
        let mut state = shared.state.lock().unwrap();
        state.parser.process(&bytes[..count]);
        let replies = std::mem::take(&mut state.parser.callbacks_mut().0);
        state.is_closed = count == 0;
        drop(state);
        for reply in replies {
            let _gone = (&*pty).write_all(reply.as_bytes());
        }
        shared.changed.notify_all();
        if count == 0 {
            return;
        }
    }
}
