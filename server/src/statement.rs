//! A statement and the text that it stands in, so that every error can point into it.

use std::sync::Arc;

use genomdb_grammar::{self as grammar, Span, ast};

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

/// What a `SET` or `RESET` changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingChange {
    /// A setting gets a value.
    Set(String, String),
    /// A setting, or all of them, gets the value that it began with.
    Reset(Option<String>),
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

    /// Returns the text that the statement stands in; the same one for all of a script.
    pub fn script(&self) -> &Arc<str> {
        &self.text
    }

    /// Returns where in [`Statement::script`] the statement stands.
    pub fn span(&self) -> Span {
        self.ast.at().0
    }

    /// Returns what a `SET` or `RESET` changes, for those who keep the settings of a session themselves.
    pub fn setting_change(&self) -> Option<SettingChange> {
        match &self.ast {
            ast::Statement::Set(set) => match set.values.as_slice() {
                [value] => Some(SettingChange::Set(set.setting.name.clone(), value.as_text()?)),
                _ => None,
            },
            ast::Statement::Reset(reset) => {
                Some(SettingChange::Reset(reset.setting.as_ref().map(|setting| setting.name.clone())))
            }
            _ => None,
        }
    }

    /// Makes an error of this statement out of one that its stream yielded.
    pub fn error(&self, error: impl Into<QueryError>) -> QueryError {
        error.into().within(&self.text)
    }
}
