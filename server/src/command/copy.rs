//! `COPY table FROM 'file'`: the load path, said in GQL.

use std::{path::PathBuf, sync::Arc};

use genomdb_grammar::ast::{Copy, CopySource, CopyTarget, OptionEntry, OptionValue, OptionValueKind};

use super::qualified;
use crate::{Answer, CancelToken, LoadRequest, Node, Observer, QueryError, queries::Registration};

/// The options that `COPY … FROM` takes.
const OPTIONS: [&str; 6] = ["format", "reference", "name", "sample", "force", "threads"];

/// Loads the files of the statement, each at once or not at all; stops at the first that fails.
pub(crate) async fn run(
    node: &Node,
    copy: &Copy,
    observer: &Arc<dyn Observer>,
    registration: &Registration,
) -> Result<Answer, QueryError> {
    let (CopySource::Table(table), CopyTarget::From(files)) = (&copy.source, &copy.target) else {
        return Err(QueryError::at(copy.at.0, "COPY … TO is not part of this version")
            .with_hint("genomdb query --format parquet --output FILE 'SELECT …'"));
    };
    let (dataset, table) = qualified(table)?;
    let mut template = LoadRequest { dataset, table, ..LoadRequest::default() };
    for option in &copy.options {
        set_option(&mut template, option)?;
    }
    if let (Some(_), [_, second, ..]) = (&template.name, files.as_slice()) {
        return Err(QueryError::at(
            second.at.0,
            "`name` gives one source its name, and there are several files",
        ));
    }
    let mut records = 0;
    for file in files {
        let request = LoadRequest { path: Some(PathBuf::from(&file.value)), ..template.clone() };
        let cancel = CancelToken::new();
        // Stopped, the load is dropped, and so takes back what it wrote.
        let load = async { Ok::<_, QueryError>(node.load(&request, observer, &cancel).await?) };
        records += registration.unless_stopped(load).await?.records;
    }
    Ok(Answer::Done(format!("COPY {records}")))
}

fn set_option(request: &mut LoadRequest, option: &OptionEntry) -> Result<(), QueryError> {
    let name = option.name.folded().join(".");
    let text = || {
        let text = option.value.as_ref().and_then(OptionValue::as_text);
        text.ok_or_else(|| QueryError::at(option.at.0, format!("`{name}` needs a value")))
    };
    match name.as_str() {
        // The content tells the format; naming it is a promise that is checked.
        "format" => match text()?.to_ascii_lowercase().as_str() {
            "sam" | "bam" | "cram" => {}
            other => {
                return Err(QueryError::at(
                    option.at.0,
                    format!("format `{other}` is not part of this version"),
                )
                .with_hint("SAM, BAM and CRAM are recognised by their content"));
            }
        },
        "reference" => request.reference = Some(PathBuf::from(text()?)),
        "name" => request.name = Some(text()?),
        "sample" => request.sample = Some(text()?),
        "force" => request.force = is_on(option)?,
        "threads" => {
            let threads = text()?.parse().ok().filter(|&threads| threads > 0);
            request.threads =
                Some(threads.ok_or_else(|| QueryError::at(option.at.0, "`threads` is a number from 1"))?);
        }
        _ => {
            let error = QueryError::at(option.at.0, format!("`{name}` is not an option of COPY … FROM"));
            let near = genomdb_grammar::suggest(&name, OPTIONS);
            return Err(error.with_hint(near.map_or_else(
                || format!("the options are {}", OPTIONS.join(", ")),
                |near| format!("did you mean `{near}`?"),
            )));
        }
    }
    Ok(())
}

/// An option without a value is on.
fn is_on(option: &OptionEntry) -> Result<bool, QueryError> {
    match option.value.as_ref().map(|value| &value.kind) {
        None | Some(OptionValueKind::Boolean(true)) => Ok(true),
        Some(OptionValueKind::Boolean(false)) => Ok(false),
        Some(_) => Err(QueryError::at(option.at.0, "the value is TRUE or FALSE")),
    }
}
