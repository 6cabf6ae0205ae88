//! `KILL QUERY`.

use genomdb_grammar::ast::Kill;

use crate::{Answer, Node, QueryError};

/// Stops a query of this node.
pub(crate) fn run(node: &Node, kill: &Kill) -> Result<Answer, QueryError> {
    let id = kill.query_id.value.parse().ok().filter(|id| node.queries().cancel(*id));
    match id {
        Some(id) => Ok(Answer::Done(format!("KILL {id}"))),
        None => {
            let message = format!("no query `{}` runs here", kill.query_id.value);
            Err(QueryError::at(kill.query_id.at.0, message).with_hint("SHOW QUERIES lists those that run"))
        }
    }
}
