//! What the statements of one client share: who asks, and the settings that it changed.

use std::sync::Arc;

use genomdb_executor::{Executor, QueryOptions, Setting};
use genomdb_grammar::ast;
use parking_lot::RwLock;

use crate::{Node, QueryError, system};

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Asks questions.
    Reader,
    /// Also loads, creates and drops.
    Writer,
    /// Also stops the queries of others, and works on the cluster.
    Admin,
}

impl Role {
    /// Its name, as it is written in commands and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Reader, Self::Writer, Self::Admin];
        all.into_iter().find(|role| role.name() == text).ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

/// No role has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no role; the roles are reader, writer and admin")]
pub struct UnknownRole(String);

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// What lists and logs call them.
    pub name: Arc<str>,
    /// What they may do.
    pub role: Role,
}

impl Principal {
    /// Whoever has the data folder in hand, or reaches a server that asks nobody who they are.
    pub fn local() -> Self {
        Self { name: Arc::from("local"), role: Role::Admin }
    }
}

/// What the statements of one client share.
///
/// Settings that a statement changes hold for the statements after it in the same session, and for nobody
/// else.
#[derive(Debug)]
pub struct Session {
    principal: Principal,
    executor: RwLock<Executor>,
    /// The executor with the settings that the session began with.
    defaults: Executor,
}

impl Node {
    /// Begins a session with the settings of the node, and those that it has for this user.
    pub fn session(&self, principal: Principal) -> Session {
        let defaults = self.executor_of(&principal.name);
        let defaults = defaults.with_system_tables(system::tables(self.queries(), &principal));
        Session { principal, executor: RwLock::new(defaults.clone()), defaults }
    }
}

impl Session {
    /// Who asks.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the executor with the settings of the session.
    pub(crate) fn executor(&self) -> Executor {
        self.executor.read().clone()
    }

    /// What each of its queries may take, by the settings.
    pub fn query_options(&self) -> QueryOptions {
        self.executor().query_options()
    }

    /// Every setting: its name, its value and what it does.
    pub fn settings(&self) -> Vec<Setting> {
        self.executor().settings()
    }

    /// Changes a setting.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or it does not take the value; or a limit is asked for that is wider
    /// than the one with which the session began, by one who is no admin.
    pub fn set(&self, name: &str, value: &str) -> Result<(), QueryError> {
        let mut executor = self.executor.write();
        let settings = executor.settings();
        if settings.iter().all(|(known, ..)| known != name) {
            return Err(unknown_setting(name, &settings));
        }
        let changed = executor.with_setting(name, value)?;
        let bounds = self.defaults.query_options();
        if self.principal.role < Role::Admin
            && let Some(beyond) = changed.query_options().beyond(&bounds)
        {
            return Err(QueryError::denied(format!("{beyond} may be narrowed, not widened")));
        }
        *executor = changed;
        Ok(())
    }

    /// Gives one setting, or all, the value that the session began with.
    ///
    /// # Errors
    ///
    /// If there is no setting of that name.
    pub fn reset(&self, name: Option<&str>) -> Result<(), QueryError> {
        let Some(name) = name else {
            *self.executor.write() = self.defaults.clone();
            return Ok(());
        };
        let value = self.defaults.settings().into_iter().find(|(known, _, _)| known == name);
        match value {
            Some((_, Some(value), _)) => self.set(name, &value),
            _ => Err(QueryError::invalid(format!("setting `{name}` has no default to return to"))),
        }
    }

    /// Refuses a statement that the role does not allow.
    pub(crate) fn allow(&self, statement: &ast::Statement) -> Result<(), QueryError> {
        self.require(needed(statement), "this statement")
    }

    /// Refuses what needs a higher role; `what` is the subject of the message.
    pub(crate) fn require(&self, needed: Role, what: &str) -> Result<(), QueryError> {
        let Principal { name, role } = &self.principal;
        if *role >= needed {
            return Ok(());
        }
        Err(QueryError::denied(format!("{name} is a {role}; {what} needs a {needed}")))
    }
}

/// The error of a setting that there is not, with the one that was probably meant.
pub(crate) fn unknown_setting(name: &str, settings: &[Setting]) -> QueryError {
    let near = genomdb_grammar::suggest(name, settings.iter().map(|(known, ..)| known.as_str()));
    let hint = near.map_or("SHOW ALL lists them".to_owned(), |near| format!("did you mean `{near}`?"));
    QueryError::invalid(format!("unknown setting `{name}`")).with_hint(hint)
}

/// The role that a statement needs at least.
fn needed(statement: &ast::Statement) -> Role {
    match statement {
        ast::Statement::Query(_)
        | ast::Statement::Explain(_)
        | ast::Statement::Describe(_)
        | ast::Statement::Show(_)
        | ast::Statement::Set(_)
        | ast::Statement::Reset(_)
        // Whose query it is decides further.
        | ast::Statement::Kill(_) => Role::Reader,
        ast::Statement::Create(_) | ast::Statement::Drop(_) | ast::Statement::Insert(_) => Role::Writer,
        // It reads files of the server.
        ast::Statement::Copy(_) => Role::Admin,
    }
}
