//! The full name of a table: a dataset, and a name in it.

use std::fmt;

use genomdb_grammar::ast::Name;

use crate::PlanError;

/// The dataset that a name without one belongs to.
pub const DEFAULT_DATASET: &str = "main";

/// The full name of a table or view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// Its dataset.
    pub dataset: String,
    /// Its name in the dataset.
    pub name: String,
}

impl TableName {
    /// Creates a name; without a dataset it belongs to `main`.
    pub fn new(dataset: Option<&str>, name: &str) -> Self {
        Self { dataset: dataset.unwrap_or(DEFAULT_DATASET).to_owned(), name: name.to_owned() }
    }

    /// Resolves a name of one part, or of two with the dataset before the dot.
    ///
    /// # Errors
    ///
    /// If it has more parts.
    pub fn resolve(name: &Name) -> Result<Self, PlanError> {
        match name.folded().as_slice() {
            [name] => Ok(Self::new(None, name)),
            [dataset, name] => Ok(Self::new(Some(dataset), name)),
            parts => Err(PlanError::TooManyParts { name: parts.join(".") }),
        }
    }
}

impl fmt::Display for TableName {
    /// Writes the name alone for the default dataset, as people do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.dataset == DEFAULT_DATASET {
            f.write_str(&self.name)
        } else {
            write!(f, "{}.{}", self.dataset, self.name)
        }
    }
}
