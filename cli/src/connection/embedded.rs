//! Statements answered in this process.

use std::sync::Arc;

use arrow::array::RecordBatch;
use futures::StreamExt as _;
use genomdb_server::{Answer, Node, Observer, Session, sql_value};

use super::{
    Event, Failure, Question,
    running::{Events, Running, Whose},
};
use crate::progress::LoadBar;

/// A data folder or cluster, and the session of this process.
#[derive(Debug)]
pub struct Embedded {
    node: Arc<Node>,
    session: Arc<Session>,
}

impl Embedded {
    pub(super) fn new(node: Arc<Node>, session: Session) -> Self {
        Self { node, session: Arc::new(session) }
    }

    /// The node.
    pub const fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(super) fn ask(&self, question: Question) -> Running {
        let (node, session) = (Arc::clone(&self.node), Arc::clone(&self.session));
        let whose = Whose::Node(Arc::clone(&node), Arc::clone(question.statement.script()));
        Running::start(whose, |events| async move {
            let timeout = question.timeout;
            let work = answer(&node, &session, &question, &events);
            match timeout {
                None => work.await,
                Some(timeout) => tokio::time::timeout(timeout, work)
                    .await
                    .unwrap_or_else(|_| Err(Failure::of_timeout(timeout))),
            }
        })
    }
}

async fn answer(node: &Node, session: &Session, question: &Question, events: &Events) -> Result<(), Failure> {
    let Question { statement, parameters, quiet, .. } = question;
    let fail = |error| Failure::of_statement(&error);
    let answer = if parameters.is_empty() {
        let bar: Arc<dyn Observer> = Arc::new(LoadBar::new(*quiet));
        node.query(session, statement, &bar).await.map_err(fail)?
    } else {
        let values = parameters.iter().map(sql_value).collect::<Result<Vec<_>, _>>();
        let values = values.map_err(Failure::new)?;
        let prepared = node.prepare(session, statement).await.map_err(fail)?;
        Answer::Rows(prepared.run(node, session, values).await.map_err(fail)?)
    };
    match answer {
        Answer::Done(message) => {
            events.send(Event::Done(message)).await;
        }
        Answer::Rows(mut rows) => {
            let read = |batch: Result<RecordBatch, _>| batch.map_err(|error| fail(statement.error(error)));
            // An error before the first row is one before anything is written.
            let mut next = rows.next().await.map(read).transpose()?;
            let mut wanted = events.send(Event::Columns(rows.schema())).await;
            while wanted && let Some(batch) = next {
                wanted = events.send(Event::Batch(batch)).await;
                next = rows.next().await.map(read).transpose()?;
            }
        }
    }
    Ok(())
}
