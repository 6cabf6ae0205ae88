//! Statements answered by a server over HTTP. It keeps no session, so the settings are kept here and sent
//! with each statement.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::TryStreamExt as _;
use genomdb_client::{Answer, Client, QueryId, Request};
use genomdb_server::SettingChange;

use super::{
    Event, Failure, Question,
    running::{Events, Running, Whose},
};

type Settings = BTreeMap<String, String>;

/// A server, and the settings of this process.
#[derive(Debug)]
pub struct Remote {
    client: Client,
    settings: Arc<Mutex<Settings>>,
}

impl Remote {
    pub(super) fn new(client: Client) -> Self {
        Self { client, settings: Arc::default() }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn ask(&self, question: Question) -> Running {
        let (client, kept) = (self.client.clone(), Arc::clone(&self.settings));
        let id = QueryId::random();
        Running::start(Whose::Server(client.clone(), id), move |events| async move {
            let settings = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match question.statement.setting_change() {
                None => answer(&client, &question, &settings, id, &events).await,
                Some(change) => {
                    let changed = change_setting(&client, &question, settings, change).await?;
                    *kept.lock().unwrap_or_else(PoisonError::into_inner) = changed.0;
                    events.send(Event::Done(changed.1.to_owned())).await;
                    Ok(())
                }
            }
        })
    }
}

async fn answer(
    client: &Client,
    question: &Question,
    settings: &Settings,
    id: QueryId,
    events: &Events,
) -> Result<(), Failure> {
    let (script, span) = (question.statement.script(), question.statement.span());
    let fail = |error| Failure::of_server(&error, script, span.start);
    let mut request = with_settings(Request::new(span.text(script)), settings).with_id(id);
    for parameter in &question.parameters {
        request = request.with_parameter(parameter.clone());
    }
    if let Some(timeout) = question.timeout {
        request = request.with_timeout(timeout);
    }
    match client.query(&request).await.map_err(fail)? {
        Answer::Done(message) => {
            events.send(Event::Done(message)).await;
        }
        Answer::Rows(mut rows) => {
            let mut wanted = events.send(Event::Columns(rows.schema().clone())).await;
            while wanted && let Some(batch) = rows.try_next().await.map_err(fail)? {
                wanted = events.send(Event::Batch(batch)).await;
            }
        }
    }
    Ok(())
}

/// The settings after a change that the server would take, and what is said of it.
async fn change_setting(
    client: &Client,
    question: &Question,
    mut settings: Settings,
    change: SettingChange,
) -> Result<(Settings, &'static str), Failure> {
    let (name, said) = match change {
        SettingChange::Reset(None) => return Ok((Settings::new(), "RESET")),
        SettingChange::Reset(Some(name)) => {
            settings.remove(&name);
            (name, "RESET")
        }
        SettingChange::Set(name, value) => {
            settings.insert(name.clone(), value);
            (name, "SET")
        }
    };
    // Asked with the change in force, the server says whether it knows the name and takes the value.
    let request = with_settings(Request::new(format!("SHOW {name}")), &settings);
    match client.query(&request).await {
        Ok(_) => Ok((settings, said)),
        Err(genomdb_client::Error::Refused(mut problem)) => {
            // Its place is one in our question, not in the user's.
            let span = question.statement.span();
            (problem.offset, problem.end) = (Some(0), Some(span.end - span.start));
            let error = genomdb_client::Error::Refused(problem);
            Err(Failure::of_server(&error, question.statement.script(), span.start))
        }
        Err(error) => Err(Failure::of_server(&error, "", 0)),
    }
}

fn with_settings(request: Request, settings: &Settings) -> Request {
    settings.iter().fold(request, |request, (name, value)| request.with_setting(name, value))
}
