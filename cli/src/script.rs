//! The statements of a text, one after the other.

mod parameters;

use std::time::Duration;

use genomdb_server::Statement;

pub use parameters::bind;

use crate::{
    args::{Asking, Parameter},
    connection::{Connection, Failure, Question},
    printer::{Printer, RunError},
};

/// What belongs to each statement.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Values of `$name`.
    pub parameters: Vec<Parameter>,
    /// How long it may take.
    pub timeout: Option<Duration>,
}

impl From<&Asking> for Context {
    fn from(asking: &Asking) -> Self {
        Self { parameters: asking.parameters.clone(), timeout: asking.timeout }
    }
}

/// Runs every statement of a text in turn, and stops at the first that fails.
///
/// # Errors
///
/// If the text cannot be parsed (then nothing runs), or a statement fails.
pub async fn run(
    connection: &Connection,
    printer: &mut Printer,
    text: &str,
    context: &Context,
) -> Result<(), RunError> {
    for question in questions(text, context)? {
        let question = Question { quiet: printer.style.quiet, ..question };
        printer.print(connection.ask(question)).await?;
    }
    Ok(())
}

/// Reads the statements of a text, and binds their parameters.
///
/// # Errors
///
/// If one of them is wrong, or a parameter has no value.
pub fn questions(text: &str, context: &Context) -> Result<Vec<Question>, Failure> {
    let bound = bind(text, &context.parameters)?;
    let statements = Statement::parse_script(&bound.text).map_err(|error| Failure::of_statement(&error))?;
    let question = |statement: Statement| {
        let parameters = bound.values_of(statement.span());
        Question { parameters, timeout: context.timeout, ..Question::new(statement) }
    };
    Ok(statements.into_iter().map(question).collect())
}
