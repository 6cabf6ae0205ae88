//! Encodes cut blocks on several threads.

use genomdb_layout::{
    LayoutError,
    block::{AlignmentBlockBuilder, EncodedBlock},
};

use crate::cut::Cut;

/// Encodes one block.
pub(crate) fn encode(builder: &mut AlignmentBlockBuilder, cut: &Cut) -> Result<EncodedBlock, LayoutError> {
    for (batch, rows) in &cut.slices {
        for index in rows.clone() {
            builder.push(&batch.records.get(index), batch.ordinals.get(index))?;
        }
    }
    Ok(builder.finish(cut.number))
}
