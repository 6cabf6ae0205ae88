//! The fields that a record takes from its mate in the same slice: RNEXT, PNEXT, TLEN and three flags.
//!
//! CRAM v3 § 10.4 says which; how TLEN is signed where several segments start at one place is htslib's.

use super::{
    corrupt::Corrupt,
    records::{Parts, UNMAPPED},
};

const PAIRED: u16 = 0x1;
const MATE_UNMAPPED: u16 = 0x8;
const REVERSE: u16 = 0x10;
const MATE_REVERSE: u16 = 0x20;
const FIRST: u16 = 0x40;

// Flags of a mate outside of the slice (MF).
const DETACHED_REVERSE: i32 = 0x1;
const DETACHED_UNMAPPED: i32 = 0x2;

/// Fills in what mates tell of each other.
pub(super) fn resolve(records: &mut [Parts]) -> Result<(), Corrupt> {
    for index in 0..records.len() {
        if let Some(parts) = records.get(index)
            && parts.mate.is_some()
            && parts.template_length.is_none()
        {
            resolve_template(records, index)?;
        }
        link(records, index)?;
    }
    for parts in records {
        parts.template_length = parts.explicit_template_length.or(parts.template_length);
    }
    Ok(())
}

/// Closes the chain of segments that starts at `first`, and computes their TLEN.
fn resolve_template(records: &mut [Parts], first: usize) -> Result<(), Corrupt> {
    let mut members = vec![first];
    let mut index = first;
    while let Some(next) = records.get(index).and_then(|parts| parts.mate) {
        if next <= index || next >= records.len() {
            return Err("a mate is not further down in its slice".into());
        }
        members.push(next);
        index = next;
    }
    if let Some(last) = records.get_mut(index) {
        last.mate = Some(first);
    }
    let parts = || members.iter().filter_map(|&member| records.get(member));
    let contig = records.get(first).map(|parts| parts.contig);
    let one_contig = parts().all(|parts| Some(parts.contig) == contig);
    let left = parts().map(|parts| parts.start).min().unwrap_or(0);
    let right = parts().map(|parts| parts.end).max().unwrap_or(0);
    let leftmost = parts().filter(|parts| parts.start == left).count();
    let length = if one_contig { right - left + 1 } else { 0 };
    for member in members {
        if let Some(parts) = records.get_mut(member) {
            // Where several start leftmost, the first segment is taken for the left one.
            let positive = parts.start == left && (leftmost == 1 || parts.flag & FIRST != 0);
            parts.template_length = Some(if positive { length } else { -length });
        }
    }
    Ok(())
}

fn link(records: &mut [Parts], index: usize) -> Result<(), Corrupt> {
    let mate = records.get(index).and_then(|parts| parts.mate);
    let mate = mate.and_then(|mate| records.get(mate)).map(|mate| (mate.start, mate.contig, mate.flag));
    let Some(parts) = records.get_mut(index) else { return Ok(()) };
    if let Some((start, contig, flag)) = mate {
        (parts.mate_start, parts.mate_contig) = (start, contig);
        parts.flag |= PAIRED;
        if flag & UNMAPPED != 0 {
            parts.flag |= MATE_UNMAPPED;
        }
        if flag & REVERSE != 0 {
            parts.flag |= MATE_REVERSE;
        }
        if (flag | parts.flag) & UNMAPPED != 0 {
            parts.template_length = Some(0);
        }
        return Ok(());
    }
    if parts.mate.is_some() {
        return Err("a mate is not in the slice".into());
    }
    if parts.mate_flags & DETACHED_REVERSE != 0 {
        parts.flag |= PAIRED | MATE_REVERSE;
    }
    if parts.mate_flags & DETACHED_UNMAPPED != 0 {
        parts.flag |= MATE_UNMAPPED;
    }
    if parts.flag & PAIRED == 0 {
        parts.mate_contig = -1;
    }
    Ok(())
}
