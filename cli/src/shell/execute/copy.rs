//! `\copy`: rows into a file, whole or not at all, and files into tables.

use std::path::{Path, PathBuf};

use genomdb_client::Load;
use genomdb_server::output::Format;

use super::{Shell, Stop};
use crate::{
    connection::Failure,
    printer::{Printer, RunError, Style},
    script,
    shell::meta::{Copy, table_name},
};

impl Shell<'_> {
    pub(super) fn copy(&mut self, copy: Copy) -> Result<(), Stop> {
        match copy {
            Copy::To { query, file, format } => self.copy_to(&query, Path::new(&file), format),
            Copy::From { table, file } => self.copy_from(&table, &file),
        }
    }

    /// Writes into a file beside the one that is meant, which takes its name when it is whole.
    fn copy_to(&mut self, query: &str, file: &Path, format: Format) -> Result<(), Stop> {
        let mut partial = file.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let style = Style { format: Some(format), quiet: self.printer.style.quiet, ..Style::default() };
        let copied = (|| {
            let mut printer = Printer::new(style, Some(&partial))?;
            let work = script::run(&self.connection, &mut printer, query, &self.context);
            self.runtime.block_on(work)?;
            printer.flush()?;
            std::fs::rename(&partial, file)?;
            Ok::<_, Stop>(printer.rows())
        })();
        match copied {
            Ok(rows) => Ok(self.printer.say(&format!("COPY {rows}"))?),
            Err(stop) => {
                // What is left of it is of no use; that there is nothing is as well.
                let _none = std::fs::remove_file(&partial);
                Err(stop)
            }
        }
    }

    /// Loads a file: here, or by sending it to the server.
    fn copy_from(&mut self, table: &str, file: &str) -> Result<(), Stop> {
        self.names.forget();
        let Some(client) = self.connection.client() else {
            return self.run_own(&format!("COPY {table} FROM '{}'", file.replace('\'', "''")));
        };
        let (dataset, table) =
            table_name(table).ok_or_else(|| Failure::new(format_args!("`{table}` is no name of a table")))?;
        let name = Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
        let load = Load { dataset, name, ..Load::into_table(table) };
        let loaded = self.runtime.block_on(async {
            tokio::select! {
                biased;
                // Who does not wait for the end takes back what was loaded.
                _ = tokio::signal::ctrl_c() => Err(RunError::Interrupted),
                loaded = client.load(&load, Path::new(file)) => {
                    loaded.map_err(|error| RunError::from(Failure::of_server(&error, "", 0)))
                }
            }
        })?;
        Ok(self.printer.say(&format!("COPY {}", loaded.records))?)
    }
}
