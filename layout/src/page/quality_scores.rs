//! QUAL: the scores of every row, one row after the other.

use super::blob;
use crate::{LayoutError, cursor::Cursor};

const BLOB: u8 = 0;

/// Appends the scores of every row.
pub(crate) fn encode(scores: &[u8], out: &mut Vec<u8>) {
    out.push(BLOB);
    blob::encode(scores, 1, out);
}

/// Quality scores read back.
#[derive(Debug)]
pub(crate) struct QualityScores {
    scores: Vec<u8>,
}

impl QualityScores {
    /// Reads `count` scores.
    pub(crate) fn decode(cursor: &mut Cursor<'_>, count: usize) -> Result<Self, LayoutError> {
        if cursor.u8()? != BLOB {
            return Err(cursor.corrupt("its mode of quality scores is unknown"));
        }
        let scores = blob::decode(cursor, count)?;
        if scores.len() == count {
            Ok(Self { scores })
        } else {
            Err(cursor.corrupt("its count of scores differs"))
        }
    }

    /// Returns the scores from `start` to before `end`.
    pub(crate) fn get(&self, start: usize, end: usize) -> &[u8] {
        self.scores.get(start..end).unwrap_or_default()
    }
}
