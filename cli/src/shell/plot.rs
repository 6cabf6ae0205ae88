//! `\plot`: the last result as a drawing, in the terminal or in a file.

mod canvas;
mod chart;
mod picture;
mod text;

use std::path::Path;

use super::meta::PlotRequest;
use crate::last_result::{LastResult, ROWS_MAX};

/// Draws a result; what there is to print comes back.
///
/// # Errors
///
/// In words, if its columns do not fit, or the file cannot be written.
pub(super) fn plot(last: Option<&LastResult>, request: &PlotRequest, width: usize) -> Result<String, String> {
    let last = last.ok_or("there is no result to draw yet")?;
    let batches = last.batches().ok_or_else(|| {
        format!("the last result was too large to keep: at most {ROWS_MAX} rows are drawn; count or sample in the query")
    })?;
    let chart = chart::Chart::new(last.schema(), batches, request)?;
    match &request.file {
        None => Ok(text::draw(&chart, width)),
        Some(file) => {
            picture::write(&chart, Path::new(file))?;
            Ok(format!("drawn into {file}"))
        }
    }
}
