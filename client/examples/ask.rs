//! Asks a server one question, and prints how many rows each batch of the answer has:
//! `cargo run -p genomdb-client --example ask -- http://127.0.0.1:7480 'SELECT * FROM reads'`

#![allow(clippy::print_stdout, reason = "an example talks")]

use futures_util::TryStreamExt as _;
use genomdb_client::{Answer, Client, Config, Error, Request};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(statement)) = (arguments.next(), arguments.next()) else {
        println!("usage: ask ADDRESS STATEMENT");
        return Ok(());
    };
    let client = Client::new(&Config::new(address))?;
    match client.query(&Request::new(statement)).await? {
        Answer::Done(message) => println!("{message}"),
        Answer::Rows(mut rows) => {
            while let Some(batch) = rows.try_next().await? {
                println!("{} rows", batch.num_rows());
            }
            println!("{:?}", rows.totals());
        }
    }
    Ok(())
}
