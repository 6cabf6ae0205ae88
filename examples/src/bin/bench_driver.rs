//! A node held open for `cargo xtask bench`: one request a line on standard input, one answer a line on
//! standard output, both JSON. It times the queries itself, so that the pipes cost nothing.
//!
//! `{"query": "SELECT …", "runs": 5, "cells": false}` runs a query once unmeasured and so many times measured;
//! `{"prepare": "SELECT … $1", "parameters": ["chr1:1-10000", …]}` prepares one and runs it with each.

use std::{
    env,
    error::Error,
    io::{self, BufRead, Write},
    path::Path,
    sync::Arc,
    time::Instant,
};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use genomdb_server::{Answer, Config, Node, Observer, Prepared, Principal, Session, Silent, Statement};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One run: what planning took, what all took, and how many rows came.
#[derive(Debug, Default)]
struct Run {
    plan_seconds: f64,
    seconds: f64,
    rows: usize,
    cells: Vec<Vec<String>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let folder = env::args().nth(1).ok_or("usage: bench_driver DATA_FOLDER")?;
    let node = Node::open(Path::new(&folder), &Config::default())?;
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let session = node.session(Principal::local());
    for line in io::stdin().lock().lines() {
        let answer = match answer(&node, &session, &observer, &line?).await {
            Ok(answer) => answer,
            Err(error) => json!({ "error": error.to_string() }),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    node.close().await?;
    Ok(())
}

async fn answer(node: &Node, session: &Session, observer: &Arc<dyn Observer>, line: &str) -> Result<Value> {
    let request: Value = serde_json::from_str(line)?;
    let text = |field: &str| request.get(field).and_then(Value::as_str);
    let mut runs = Vec::new();
    if let Some(query) = text("query") {
        let statement = Statement::parse(query)?;
        let count = request.get("runs").and_then(Value::as_u64).unwrap_or(1);
        let cells = request.get("cells").and_then(Value::as_bool).unwrap_or(false);
        // The first run warms what every later query finds warm: the index, the session.
        for number in 0..=count {
            let began = Instant::now();
            let run = drain(began, node.query(session, &statement, observer).await?, cells).await?;
            if number > 0 {
                runs.push(run);
            }
        }
    } else if let Some(query) = text("prepare") {
        let prepared = node.prepare(session, &Statement::parse(query)?).await?;
        let parameters = request.get("parameters").and_then(Value::as_array).into_iter().flatten();
        let parameters: Vec<&str> = parameters.filter_map(Value::as_str).collect();
        if let Some(first) = parameters.first() {
            with_parameter(node, session, &prepared, first).await?;
        }
        for parameter in parameters {
            runs.push(with_parameter(node, session, &prepared, parameter).await?);
        }
    } else {
        return Err("neither `query` nor `prepare`".into());
    }
    let cells = runs.last_mut().map(|run| std::mem::take(&mut run.cells));
    Ok(json!({
        "seconds": runs.iter().map(|run| run.seconds).collect::<Vec<_>>(),
        "plan_seconds": runs.iter().map(|run| run.plan_seconds).collect::<Vec<_>>(),
        "rows": runs.iter().map(|run| run.rows).collect::<Vec<_>>(),
        "cells": cells.unwrap_or_default(),
    }))
}

/// Reads an answer to its end; `began` is when its query was handed over.
async fn drain(began: Instant, answer: Answer, cells: bool) -> Result<Run> {
    let Answer::Rows(mut rows) = answer else { return Err("not a query".into()) };
    let mut run = Run { plan_seconds: began.elapsed().as_secs_f64(), ..Run::default() };
    while let Some(batch) = rows.try_next().await? {
        run.rows += batch.num_rows();
        if cells {
            let options = FormatOptions::default();
            let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
            let columns = columns.collect::<std::result::Result<Vec<_>, _>>()?;
            let row = |row| columns.iter().map(|column| column.value(row).to_string()).collect();
            run.cells.extend((0..batch.num_rows()).map(row));
        }
    }
    run.seconds = began.elapsed().as_secs_f64();
    Ok(run)
}

/// Runs a prepared query with one text for `$1`.
async fn with_parameter(node: &Node, session: &Session, prepared: &Prepared, parameter: &str) -> Result<Run> {
    let began = Instant::now();
    let rows = prepared.run(node, session, vec![ScalarValue::from(parameter)]).await?;
    drain(began, Answer::Rows(rows), false).await
}
