//! A statement and the text that it stands in, so that every error can point into it.

use std::sync::Arc;

use genomdb_grammar::{self as grammar, ast};

use crate::{QueryError, QueryErrorKind};

/// One statement of GQL.
///
/// # Examples
///
/// ```
/// use genomdb_server::Statement;
///
/// let script = Statement::parse_script("SHOW TABLES; SELECT 1")?;
/// assert_eq!(script.len(), 2);
/// let error = Statement::parse("SELECT 1 +").unwrap_err();
/// assert!(error.render().contains("line 1, column 11"), "{}", error.render());
/// # Ok::<(), genomdb_server::QueryError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Statement {
    pub(crate) text: Arc<str>,
    pub(crate) ast: ast::Statement,
}

impl Statement {
    /// Parses one statement.
    ///
    /// # Errors
    ///
    /// If the text is not one statement.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let text: Arc<str> = text.into();
        match grammar::parse(&text) {
            Ok(ast) => Ok(Self { text, ast }),
            Err(error) => Err(QueryError::new(QueryErrorKind::Parse(error)).within(&text)),
        }
    }

    /// Parses the statements of a script, separated by `;`.
    ///
    /// # Errors
    ///
    /// If one of them is wrong; none is returned then.
    pub fn parse_script(text: &str) -> Result<Vec<Self>, QueryError> {
        let text: Arc<str> = text.into();
        match grammar::parse_script(&text) {
            Ok(list) => Ok(list.into_iter().map(|ast| Self { text: text.clone(), ast }).collect()),
            Err(error) => Err(QueryError::new(QueryErrorKind::Parse(error)).within(&text)),
        }
    }

    /// Tells whether a text ends in a finished statement: `;` outside quotes, brackets and comments.
    pub fn is_complete(text: &str) -> bool {
        grammar::is_complete(text)
    }

    /// Makes an error of this statement out of one that its stream yielded.
    pub fn error(&self, error: impl Into<QueryError>) -> QueryError {
        error.into().within(&self.text)
    }
}
