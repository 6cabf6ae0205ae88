//! The other end of `bench_driver`: a process that holds a node open and runs queries for us.
//!
//! One JSON object a line in both directions. The driver times itself, so that the pipe costs nothing.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::TaskError;

/// A running driver.
#[derive(Debug)]
pub(crate) struct Driver {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What a query gave.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// Wall time of each run, planning included.
    pub(crate) seconds: Vec<f64>,
    /// Of it, what planning took, run by run.
    pub(crate) plan_seconds: Vec<f64>,
    /// Rows of each run.
    pub(crate) rows: Vec<u64>,
    /// The cells of the last run as text, if they were asked for.
    #[serde(default)]
    pub(crate) cells: Vec<Vec<String>>,
}

impl Driver {
    /// Starts the driver on a data folder.
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Self, TaskError> {
        let name = program.display().to_string();
        let start = |source| TaskError::Start { program: name.clone(), source };
        let mut command = Command::new(program);
        command.arg(data).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().map_err(start)?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(TaskError::Input(format!("{name} has no pipes")));
        };
        Ok(Self { child, requests: Some(requests), answers: BufReader::new(answers) })
    }

    /// Runs a query so many times, and once before that.
    pub(crate) fn query(&mut self, text: &str, runs: usize) -> Result<Answer, TaskError> {
        self.ask(&json!({ "query": text, "runs": runs, "cells": false }))
    }

    /// Runs a query once and takes its cells.
    pub(crate) fn cells(&mut self, text: &str) -> Result<Vec<Vec<String>>, TaskError> {
        Ok(self.ask(&json!({ "query": text, "runs": 1, "cells": true }))?.cells)
    }

    /// Prepares a query once and runs it with each of the parameters.
    pub(crate) fn prepared(&mut self, text: &str, parameters: &[String]) -> Result<Answer, TaskError> {
        self.ask(&json!({ "prepare": text, "parameters": parameters }))
    }

    fn ask(&mut self, request: &Value) -> Result<Answer, TaskError> {
        let broken = |source| TaskError::Start { program: "bench_driver".to_owned(), source };
        if let Some(requests) = &mut self.requests {
            writeln!(requests, "{request}").and_then(|()| requests.flush()).map_err(broken)?;
        }
        let mut line = String::new();
        if self.answers.read_line(&mut line).map_err(broken)? == 0 {
            return Err(TaskError::Input(format!("bench_driver ended at {request}")));
        }
        let answer: Value = serde_json::from_str(&line)
            .map_err(|error| TaskError::Input(format!("bench_driver said `{line}`: {error}")))?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(TaskError::Input(format!("{error}, in {request}")));
        }
        serde_json::from_value(answer)
            .map_err(|error| TaskError::Input(format!("bench_driver said `{line}`: {error}")))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Closing its input ends it; waiting leaves no process behind, and its exit code says nothing new.
        self.requests = None;
        let _ = self.child.wait();
    }
}
