//! Obeys the commands that begin with `\`.

use std::path::Path;

use super::{INCLUDE_DEPTH_MAX, Mode, Shell, Stop};
use crate::{
    connection::Failure,
    printer::Expanded,
    shell::{
        external_editor,
        meta::{self, Meta},
        options, plot, segment, statement_help,
    },
};

/// The width of drawings where there is no terminal.
const PLOT_WIDTH: usize = 80;

impl Shell<'_> {
    /// Obeys a command; `statement` stands before it.
    pub(super) fn run_command(&mut self, text: &str, statement: Option<String>) -> Result<(), Stop> {
        let text = self.variables.fill(text);
        match meta::parse(&text).map_err(Failure::new)? {
            Meta::Quit => return Err(Stop::Quit),
            Meta::Help => self.tell(&meta::help())?,
            Meta::StatementHelp(topic) => {
                let help = statement_help::help(&topic).map_err(Failure::new)?;
                self.tell(&help)?;
            }
            Meta::Connection => self.tell_connection()?,
            Meta::Tables(None) => self.run_own("SHOW TABLES")?,
            Meta::Tables(Some(pattern)) => self.list("SHOW TABLES", "name", &pattern)?,
            Meta::Describe(table) => self.run_own(&format!("DESCRIBE {table}"))?,
            Meta::Functions(None) => self.run_own("SHOW FUNCTIONS")?,
            Meta::Functions(Some(pattern)) => self.list("SHOW FUNCTIONS", "function", &pattern)?,
            Meta::Datasets => self.run_own("SHOW DATASETS")?,
            Meta::Timing(is_on) => {
                self.timing = is_on.unwrap_or(!self.timing);
                self.tell(&format!("Timing is {}.", if self.timing { "on" } else { "off" }))?;
            }
            Meta::Expanded(expanded) => {
                let value = expanded.map(|expanded| match expanded {
                    Expanded::On => "on",
                    Expanded::Off => "off",
                    Expanded::Auto => "auto",
                });
                self.change_option("expanded", value)?;
            }
            Meta::Format(format) => self.change_option("format", format.map(|format| format.name()))?,
            Meta::Option(None, _) => self.tell(&options::show_all(&self.printer.style, self.timing))?,
            Meta::Option(Some(name), value) => self.change_option(&name, value.as_deref())?,
            Meta::Output(file) => self.printer.write_to(file.as_deref().map(Path::new))?,
            Meta::Include(file) => self.include(&file)?,
            Meta::Edit(file) => self.edit(statement, file.as_deref())?,
            Meta::Go { expanded, file } => self.go(statement, expanded, file.as_deref())?,
            Meta::Watch(seconds) => self.watch(statement, seconds)?,
            Meta::Copy(copy) => self.copy(copy)?,
            Meta::Set(None, _) => {
                let all: Vec<String> =
                    self.variables.all().map(|(name, value)| format!("{name} = '{value}'")).collect();
                self.tell(&all.join("\n"))?;
            }
            Meta::Set(Some(name), value) => self.variables.set(&name, &value).map_err(Failure::new)?,
            Meta::Unset(name) => {
                if !self.variables.unset(&name) {
                    return Err(Failure::new(format_args!("there is no variable `{name}`")).into());
                }
            }
            Meta::Plot(request) => {
                if let Some(statement) = statement {
                    // The drawing is what is wanted of it.
                    let before = self.printer.hide();
                    let done = self.run_statements(&statement);
                    self.printer.restore(before)?;
                    done?;
                }
                let width = self.printer.width().unwrap_or(PLOT_WIDTH);
                let drawn = plot::plot(self.printer.last(), &request, width).map_err(Failure::new)?;
                self.tell(&drawn)?;
            }
            Meta::Echo(text) => self.printer.tell(&text)?,
        }
        Ok(())
    }

    /// Says something to the user, unless only results are wanted.
    fn tell(&mut self, text: &str) -> Result<(), Stop> {
        if text.is_empty() { Ok(()) } else { Ok(self.printer.tell(text)?) }
    }

    fn tell_connection(&mut self) -> Result<(), Stop> {
        let mut text = format!("Statements are answered by {}.", self.place);
        if let Some(client) = self.connection.client() {
            match self.runtime.block_on(client.ready()) {
                Ok(()) => text.push_str(" It is ready."),
                Err(error) => text.push_str(&format!(" It is not ready: {}", crate::exit::chain(&error))),
            }
        }
        self.tell(&text)
    }

    fn change_option(&mut self, name: &str, value: Option<&str>) -> Result<(), Stop> {
        let changed = options::change(&mut self.printer.style, &mut self.timing, name, value);
        let said = changed.map_err(Failure::new)?;
        match self.mode {
            Mode::Prompt => self.tell(&said),
            Mode::Script { .. } => Ok(()),
        }
    }

    /// Runs a file.
    fn include(&mut self, file: &str) -> Result<(), Stop> {
        if self.depth >= INCLUDE_DEPTH_MAX {
            return Err(Failure::new(format_args!("{file}: files include each other")).into());
        }
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format_args!("cannot read {file}: {error}")))?;
        self.depth += 1;
        let done = self.run(&text);
        self.depth -= 1;
        done
    }

    /// Lets the user edit a statement or a file; what is finished then is run, and the rest goes on at the
    /// prompt.
    fn edit(&mut self, statement: Option<String>, file: Option<&str>) -> Result<(), Stop> {
        let fail = |error: std::io::Error| Failure::new(error);
        let text = match file {
            Some(file) => {
                external_editor::edit_file(Path::new(file)).map_err(fail)?;
                std::fs::read_to_string(file).map_err(fail)?
            }
            None => {
                // What was run before is run again, unless it is changed so that it is not finished.
                let last = || self.last.as_ref().map(|last| format!("{last};"));
                let statement = statement.or_else(last).unwrap_or_default();
                external_editor::edit(&statement).map_err(fail)?
            }
        };
        let text = text.trim();
        if self.mode == Mode::Prompt && !segment::is_finished(text) {
            self.prefill = Some(text.to_owned());
            return Ok(());
        }
        if text.is_empty() {
            return Ok(());
        }
        self.tell(text)?;
        self.run(text)
    }

    /// Runs a statement, written as the command wants it.
    fn go(&mut self, statement: Option<String>, expanded: bool, file: Option<&str>) -> Result<(), Stop> {
        let statement = self.statement_for(statement)?;
        let style = self.printer.style.clone();
        if expanded {
            self.printer.style.expanded = Expanded::On;
        }
        let done = match file {
            None => self.run_statements(&statement),
            Some(file) => {
                self.printer.style.format =
                    self.printer.style.format.or_else(|| meta::format_of(Path::new(file)));
                self.write_to_file(file, &statement)
            }
        };
        self.printer.style = style;
        done
    }

    fn write_to_file(&mut self, file: &str, statement: &str) -> Result<(), Stop> {
        let before = self.printer.redirect(Path::new(file))?;
        let done = self.run_statements(statement);
        let ended = self.printer.restore(before);
        done?;
        Ok(ended?)
    }
}
