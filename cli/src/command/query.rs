//! `genomdb query`: statements in, results out.

use std::process::ExitCode;

use crate::{
    args::Query,
    connection::{self, Settings},
    exit,
    printer::{Printer, Style},
    script::{self, Context},
};

/// Runs `genomdb query`.
pub fn run(arguments: &Query) -> ExitCode {
    let place = match arguments.reach.place(&Settings::default()) {
        Ok(place) => place,
        Err(error) => return exit::fail(exit::USAGE, &error),
    };
    let (runtime, connection) = match connection::open(&place) {
        Ok(opened) => opened,
        Err(code) => return code,
    };
    let style = Style { format: arguments.format, ..Style::default() };
    let result = runtime.block_on(async {
        let mut printer = Printer::new(style, arguments.output.as_deref())?;
        let context = Context::from(&arguments.asking);
        script::run(&connection, &mut printer, &arguments.text, &context).await?;
        printer.flush()
    });
    let closed = runtime.block_on(connection.close());
    match (result, closed) {
        (Err(error), _) => error.report(),
        (Ok(()), Err(error)) => exit::fail(exit::FAILED, &error),
        (Ok(()), Ok(())) => ExitCode::from(exit::DONE),
    }
}
