//! Where everything meets, and thin: the query path is [`query`], the load path [`load`], and [`Node`] holds
//! what they need.

// Whether a request can move between threads is found out through all that Raft is made of.
#![recursion_limit = "256"]

mod accounts;
mod admission;
mod answer;
mod catalog;
pub mod cluster;
mod command;
mod config;
mod error;
mod flight;
pub mod http;
mod ingest;
pub mod kv;
pub mod load;
mod metrics;
mod milliseconds;
mod node;
pub mod output;
mod owned_task;
mod parameters;
mod queries;
pub mod query;
mod random;
mod session;
mod statement;
mod system;
mod token;

pub use accounts::{Account, AccountError, Accounts, REVOKED_WITHIN};
pub use admission::{AdmissionConfig, Busy};
pub use answer::Answer;
pub use config::Config;
pub use error::{Existence, OpenError, QueryError, QueryErrorKind};
/// Words, spans and carets, for those who show a text to its writer.
pub use genomdb_grammar as grammar;
pub use genomdb_loader::{CancelToken, LoadError, LoadReport, Phase as LoadPhase, Progress};
pub use ingest::{IngestMode, IngestRequest};
pub use load::{LoadRequest, Observer, Silent};
pub use node::Node;
pub use parameters::sql_value;
pub use queries::{Interruption, NoQueryId, Outcome, Queries, QueryId, QueryState, RunningQuery};
pub use query::Prepared;
pub use session::{Principal, Role, Session, UnknownRole};
pub use statement::{SettingChange, Statement};
pub use token::{NoChance, NoToken, Token};
