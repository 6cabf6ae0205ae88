//! Encodes cut blocks.

use genomdb_layout::block::{AlignmentBlockBuilder, EncodedBlock};

use crate::{LoadError, cut::Cut};

/// Encodes one block; `file` is what an error names.
pub(crate) fn encode(
    builder: &mut AlignmentBlockBuilder,
    cut: &Cut,
    file: &str,
) -> Result<EncodedBlock, LoadError> {
    for (batch, rows) in &cut.slices {
        for index in rows.clone() {
            let ordinal = batch.ordinals.get(index);
            builder.push(&batch.records.get(index), ordinal).map_err(|source| LoadError::Record {
                file: file.to_owned(),
                record: ordinal + 1,
                source,
            })?;
        }
    }
    Ok(builder.finish(cut.number))
}
