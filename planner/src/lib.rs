//! From GQL's syntax tree and a catalog to a logical plan, and from its regions to a list of gets; no I/O.

mod context;
mod error;
pub mod functions;
mod get_plan;
pub mod lower;
mod pruning;
mod reach;
mod same_text;
mod table_name;
mod zone;

pub use context::{Tables, plan};
pub use error::PlanError;
pub use genomdb_grammar::ast::Query;
pub use get_plan::{BlockGet, Fields, GetCounts, count_gets, gets};
pub use pruning::{FilteredTable, Pruning, pruning, suggest_contig};
pub use same_text::SameTextRule;
pub use table_name::{DEFAULT_DATASET, TableName};
pub use zone::{Zone, ZoneMap};
