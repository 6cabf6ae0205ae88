//! What the node says when it cannot: in words, and with the place in the statement where there is one.

mod class;
mod engine;

use std::{fmt, sync::Arc};

use datafusion::error::DataFusionError;
use genomdb_grammar::{ParseError, Span, render_caret};
use genomdb_layout::LayoutError;
use genomdb_loader::LoadError;
use genomdb_storage::StorageError;

pub(crate) use class::ErrorClass;

/// A data folder cannot be opened or closed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store refuses.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The session that queries run in cannot be made.
    #[error("cannot make the query session")]
    Session(#[source] DataFusionError),
}

/// A statement is wrong, or failed.
#[derive(Debug)]
pub struct QueryError {
    kind: QueryErrorKind,
    /// The text of the script, for the place to be shown in.
    text: Option<Arc<str>>,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// Nothing has it.
    Missing,
    /// Something has it already.
    Taken,
}

/// What is wrong with a statement.
#[derive(Debug, thiserror::Error)]
pub enum QueryErrorKind {
    /// The text is not GQL.
    #[error("{}", .0.message())]
    Parse(ParseError),
    /// The statement means something that does not exist or cannot be.
    #[error("{message}")]
    Invalid {
        /// What.
        message: String,
        /// Where.
        span: Option<Span>,
        /// What may help.
        hint: Option<String>,
        /// Whether what it names exists, where that is what is wrong.
        existence: Option<Existence>,
    },
    /// Whoever asks may not do that.
    #[error("{0}")]
    Denied(String),
    /// The query cannot be planned or failed while it ran.
    #[error("{}", engine::message(.0))]
    Engine(DataFusionError),
    /// A load failed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The store refuses.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Stored bytes are damaged.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}

impl QueryError {
    pub(crate) fn new(kind: impl Into<QueryErrorKind>) -> Self {
        Self { kind: kind.into(), text: None }
    }

    /// An error at a place of the statement.
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::Invalid {
            message: message.into(),
            span: Some(span),
            hint: None,
            existence: None,
        })
    }

    /// An error of a name that nothing has, or something has already.
    pub(crate) fn of_name(span: Span, existence: Existence, message: impl Into<String>) -> Self {
        let message = message.into();
        let (span, existence) = (Some(span), Some(existence));
        Self::new(QueryErrorKind::Invalid { message, span, hint: None, existence })
    }

    /// An error of the statement as a whole.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(QueryErrorKind::Invalid { message, span: None, hint: None, existence: None })
    }

    /// An error of who asks.
    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(QueryErrorKind::Denied(message.into()))
    }

    /// Says where, if that is not known yet; an error of the engine is put into its words.
    pub(crate) fn place(mut self, place: Span) -> Self {
        if let QueryErrorKind::Engine(error) = &self.kind {
            let message = engine::message(error);
            self.kind = QueryErrorKind::Invalid { message, span: None, hint: None, existence: None };
        }
        if let QueryErrorKind::Invalid { span, .. } = &mut self.kind {
            span.get_or_insert(place);
        }
        self
    }

    pub(crate) fn with_hint(mut self, words: impl Into<String>) -> Self {
        if let QueryErrorKind::Invalid { hint, .. } = &mut self.kind {
            *hint = Some(words.into());
        }
        self
    }

    /// Remembers the text that the places refer to, and finds the place of an error of the engine in it.
    pub(crate) fn within(mut self, text: &Arc<str>) -> Self {
        if let QueryErrorKind::Engine(error) = &self.kind
            && let Some(explained) = engine::explain(error, text)
        {
            self.kind = explained;
        }
        self.text.get_or_insert_with(|| text.clone());
        self
    }

    /// Returns what is wrong.
    pub fn kind(&self) -> &QueryErrorKind {
        &self.kind
    }

    /// Returns where in the text it is wrong.
    pub fn span(&self) -> Option<Span> {
        match &self.kind {
            QueryErrorKind::Parse(error) => Some(error.span),
            QueryErrorKind::Invalid { span, .. } => *span,
            _ => None,
        }
    }

    /// Returns what may help.
    pub fn hint(&self) -> Option<&str> {
        match &self.kind {
            QueryErrorKind::Parse(error) => error.hint.as_deref(),
            QueryErrorKind::Invalid { hint, .. } => hint.as_deref(),
            _ => None,
        }
    }

    /// Writes the error for a person: with the line, the column, and the place underlined where it is known.
    pub fn render(&self) -> String {
        match (&self.text, self.span()) {
            (Some(text), Some(span)) => {
                render_caret(text, span, &self.kind.to_string(), self.hint()).trim_end().to_owned()
            }
            _ => match self.hint() {
                Some(hint) => format!("error: {} ({hint})", self.kind),
                None => format!("error: {}", self.kind),
            },
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.kind)
    }
}

impl<E: Into<QueryErrorKind>> From<E> for QueryError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl From<DataFusionError> for QueryErrorKind {
    fn from(error: DataFusionError) -> Self {
        Self::Engine(error)
    }
}
