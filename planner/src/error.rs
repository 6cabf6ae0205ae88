//! What can be wrong with a query once it is parsed, and with what the index says.

use datafusion::common::DataFusionError;

/// A query cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No table of that name.
    #[error("unknown table `{name}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownTable {
        /// As the query writes it.
        name: String,
        /// The nearest name, if one is near.
        suggestion: Option<String>,
    },
    /// A table's name has more parts than a dataset and a name.
    #[error("`{name}` has too many parts; a table is named `table` or `dataset.table`")]
    TooManyParts {
        /// As the query writes it.
        name: String,
    },
    /// A region names a contig that no table of the query has: never zero rows in silence.
    #[error("unknown contig `{contig}` in region `{region}` of table `{table}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownContig {
        /// The contig.
        contig: String,
        /// The region's text.
        region: String,
        /// The table.
        table: String,
        /// The nearest name, if one is near.
        suggestion: Option<String>,
    },
    /// Stored bytes are damaged.
    #[error(transparent)]
    Layout(#[from] genomdb_layout::LayoutError),
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

impl From<PlanError> for DataFusionError {
    fn from(error: PlanError) -> Self {
        Self::External(Box::new(error))
    }
}
