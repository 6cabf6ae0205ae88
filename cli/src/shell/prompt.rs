//! The prompt: lines are gathered until `;`, edited, coloured, completed and remembered by reedline.

use std::{borrow::Cow, path::PathBuf, process::ExitCode, sync::Arc};

use reedline::{
    Color, ColumnarMenu, DefaultHinter, EditCommand, EditMode as ReedlineMode, Emacs, FileBackedHistory,
    KeyCode, KeyModifiers, Keybindings, MenuBuilder as _, Prompt, PromptEditMode, PromptHistorySearch,
    PromptViMode, Reedline, ReedlineEvent, ReedlineMenu, Signal, ValidationResult, Validator, Vi,
    default_emacs_keybindings, default_vi_insert_keybindings, default_vi_normal_keybindings,
    default_vi_visual_keybindings,
};

use super::{
    complete::NameCompleter,
    execute::{Shell, Stop},
    external_editor,
    highlight::GqlHighlighter,
    names::Names,
    segment,
    settings_file::EditMode,
};
use crate::exit;

/// Lines that the history keeps.
const HISTORY_LINES_MAX: usize = 10_000;
/// The name of the menu that Tab opens.
const MENU: &str = "names";

/// How the prompt looks and is edited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    /// Whether it has colours.
    pub(super) has_color: bool,
    /// How a line is edited.
    pub(super) edit_mode: EditMode,
}

/// Asks, answers, and asks again, until Ctrl-D or `\q`.
pub(super) fn run(shell: &mut Shell<'_>, looks: Looks) -> ExitCode {
    let mut editor = editor(Arc::clone(&shell.names), looks);
    if !shell.printer.style.quiet {
        println!("GenomDB {}. Statements end in `;`, \\? helps, \\q leaves.", env!("CARGO_PKG_VERSION"));
    }
    loop {
        if let Some(text) = shell.prefill.take() {
            editor.run_edit_commands(&[EditCommand::InsertString(text)]);
        }
        let text = match editor.read_line(&GqlPrompt) {
            Ok(Signal::Success(text)) => text,
            Ok(Signal::CtrlD) => return ExitCode::from(exit::DONE),
            Ok(_) => continue,
            Err(error) => return exit::fail(exit::FAILED, &error),
        };
        // A shell that is killed has been remembered, too; that it cannot be was said at the beginning.
        let _unsaved = editor.sync_history();
        match shell.run(&text) {
            Ok(()) => {}
            Err(Stop::Quit) => return ExitCode::from(exit::DONE),
            Err(Stop::Failed(error)) => {
                let code = error.report();
                if error.is_broken_pipe() {
                    return code;
                }
            }
        }
    }
}

fn editor(names: Arc<Names>, looks: Looks) -> Reedline {
    let menu =
        ColumnarMenu::default().with_name(MENU).with_marker("> ").with_columns(4).with_column_padding(2);
    let mut editor = Reedline::create()
        .with_validator(Box::new(UntilSemicolon))
        .with_completer(Box::new(NameCompleter::new(names)))
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_edit_mode(edit_mode(looks.edit_mode))
        .with_ansi_colors(looks.has_color)
        .use_bracketed_paste(true);
    if looks.has_color {
        let hinter = DefaultHinter::default().with_style(Color::DarkGray.italic());
        editor = editor.with_highlighter(Box::new(GqlHighlighter)).with_hinter(Box::new(hinter));
    }
    // Ctrl-O, as in bash.
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &format!("{} \"$1\"", external_editor::editor()), "sh"]);
    let scratch = std::env::temp_dir().join(format!("gql-{}.gql", std::process::id()));
    editor = editor.with_buffer_editor(command, scratch);
    match history() {
        Some(Ok(history)) => editor = editor.with_history(Box::new(history)),
        Some(Err(error)) => eprintln!("note: this session is not remembered: {error}"),
        None => {}
    }
    editor
}

fn edit_mode(mode: EditMode) -> Box<dyn ReedlineMode> {
    match mode {
        EditMode::Emacs => Box::new(Emacs::new(with_menu(default_emacs_keybindings()))),
        EditMode::Vi => Box::new(Vi::new(
            with_menu(default_vi_insert_keybindings()),
            default_vi_normal_keybindings(),
            default_vi_visual_keybindings(),
        )),
    }
}

/// Tab opens the menu of names and goes through it; Alt-Enter begins another line.
fn with_menu(mut keys: Keybindings) -> Keybindings {
    let next = vec![ReedlineEvent::Menu(MENU.to_owned()), ReedlineEvent::MenuNext];
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::UntilFound(next));
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    keys.add_binding(
        KeyModifiers::ALT,
        KeyCode::Enter,
        ReedlineEvent::Edit(vec![EditCommand::InsertNewline]),
    );
    keys
}

/// Where earlier lines are remembered: `$XDG_STATE_HOME/genomdb/history`, or `~/.local/state/…`.
fn history() -> Option<reedline::Result<FileBackedHistory>> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/state")))?;
    Some(FileBackedHistory::with_file(HISTORY_LINES_MAX, state.join("genomdb/history")))
}

/// Lets Enter run a text only when its last statement is ended by `;`, or it ends in a `\` command.
struct UntilSemicolon;

impl Validator for UntilSemicolon {
    fn validate(&self, text: &str) -> ValidationResult {
        match segment::is_finished(text) {
            true => ValidationResult::Complete,
            false => ValidationResult::Incomplete,
        }
    }
}

struct GqlPrompt;

impl Prompt for GqlPrompt {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("gql")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, mode: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(match mode {
            PromptEditMode::Vi(PromptViMode::Normal) => ": ",
            _ => "> ",
        })
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  -> ")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(history: {}) ", search.term))
    }
}
