//! `KILL QUERY`.

use genomdb_grammar::ast::Kill;

use crate::{Answer, Node, QueryError, Session};

/// Stops a query of this node; one of somebody else only for an admin.
pub(crate) fn run(node: &Node, session: &Session, kill: &Kill) -> Result<Answer, QueryError> {
    let id = kill.query_id.value.parse().ok().filter(|id| node.queries().cancel(*id, session.principal()));
    match id {
        Some(id) => Ok(Answer::Done(format!("KILL {id}"))),
        None => {
            let message = format!("no query `{}` runs here", kill.query_id.value);
            Err(QueryError::at(kill.query_id.at.0, message).with_hint("SHOW QUERIES lists those that run"))
        }
    }
}
