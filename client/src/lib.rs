//! Asks a GenomDB server questions over HTTP, and reads the answers as Arrow record batches while they come.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), genomdb_client::Error> {
//! use futures_util::TryStreamExt as _;
//! use genomdb_client::{Answer, Client, Config, Request};
//!
//! let client = Client::new(&Config::new("http://127.0.0.1:7480"))?;
//! let request = Request::new("SELECT qname, pos FROM reads WHERE mapq >= $1 LIMIT 10").with_parameter(30);
//! match client.query(&request).await? {
//!     Answer::Rows(mut rows) => {
//!         while let Some(batch) = rows.try_next().await? {
//!             println!("{} rows of {:?}", batch.num_rows(), batch.schema().fields());
//!         }
//!     }
//!     Answer::Done(message) => println!("{message}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A result is whole or an error: one that breaks off, in whatever way, is never taken for a short one.
//! Dropping the rows ends the query on the server.

mod address;
mod client;
mod config;
mod connection;
mod error;
mod load;
mod progress;
mod query_id;
mod request;
mod rows;
mod trust;

pub use client::{Answer, Client};
pub use config::{Config, Token};
pub use error::{Error, Problem};
pub use load::{Load, Loaded};
pub use progress::Progress;
pub use query_id::QueryId;
pub use request::Request;
pub use rows::{Rows, Totals};
