//! What a record must obey, whatever file it comes from (SAM v1 § 1.4, § 1.5).
//!
//! Every codec calls [`check`] before it pushes a record, so that nobody below checks again. A rule is as
//! strict as the specification, unless files that every tool reads break it: then it says so.

mod characters;
mod cigar;
mod optional_fields;

use genomdb_genome::{ContigId, Contigs, alignment::Record};

use crate::error::{Fault, printable};

/// QNAME has at most 254 characters, because BAM counts them and a NUL in one byte.
const NAME_BYTES_MAX: usize = 254;

/// QUAL ends at `~`.
const QUALITY_SCORE_MAX: u8 = 93;

/// Checks every field of a record.
pub(crate) fn check(record: &Record<'_>, contigs: &Contigs) -> Result<(), Fault> {
    check_name(record.name)?;
    check_contig("RNAME", record.contig, contigs)?;
    check_contig("RNEXT", record.mate_contig, contigs)?;
    check_positions(record)?;
    check_inside(record, contigs)?;
    cigar::check(record)?;
    check_bases(record)?;
    optional_fields::check(record.tags)
}

fn check_name(name: &[u8]) -> Result<(), Fault> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Fault::new("QNAME", format!("has {} characters, at most 254 are allowed", name.len())));
    }
    // `@` would make the line a header line.
    if characters::prefix_within(name, b'!', b'~') == name.len() && !name.contains(&b'@') {
        return Ok(());
    }
    Err(Fault::new("QNAME", format!("`{}` has characters outside `[!-?A-~]`", printable(name))))
}

fn check_contig(field: &str, contig: Option<ContigId>, contigs: &Contigs) -> Result<(), Fault> {
    match contig {
        Some(id) if contigs.get(id).is_none() => {
            let reason = format!("contig number {} does not exist, the header lists {}", id.0, contigs.len());
            Err(Fault::new(field, reason))
        }
        _ => Ok(()),
    }
}

fn check_positions(record: &Record<'_>) -> Result<(), Fault> {
    // i64::MAX leaves no room for an exclusive end. htslib's own tests hold a BAM whose PNEXT is negative:
    // nobody computes with it, so that it is only kept.
    let fields = [("POS", record.start, -1), ("PNEXT", record.mate_start, i32::MIN.into())];
    for (field, start, min) in fields {
        if !(min..i64::MAX).contains(&start) {
            return Err(Fault::new(field, format!("{} is out of range", start.saturating_add(1))));
        }
    }
    Ok(())
}

/// A position must lie on its contig.
///
/// An alignment may hang over the end, as on circular genomes, or start right after it; aligners that join
/// all contigs into one write such. A secondary alignment may lie anywhere: nothing is known of it.
fn check_inside(record: &Record<'_>, contigs: &Contigs) -> Result<(), Fault> {
    const SECONDARY_OR_SUPPLEMENTARY: u16 = 0x900;
    let contig = record.contig.and_then(|id| contigs.get(id));
    if let Some((contig, length)) = contig.and_then(|contig| Some((contig, contig.length?)))
        && record.flag & SECONDARY_OR_SUPPLEMENTARY == 0
        && u64::try_from(record.start).is_ok_and(|start| start > length)
    {
        let reason = format!("{} lies outside `{}`, which has {length} bases", record.start + 1, contig.name);
        return Err(Fault::new("POS", reason));
    }
    Ok(())
}

fn check_bases(record: &Record<'_>) -> Result<(), Fault> {
    debug_assert_eq!(record.bases.len(), record.base_count.div_ceil(2) as usize);
    let (bases, scores) = (record.base_count as usize, record.quality_scores);
    if !scores.is_empty() && scores.len() != bases {
        return Err(Fault::new("QUAL", format!("has {} scores, SEQ has {bases} bases", scores.len())));
    }
    match scores.iter().copied().max() {
        Some(score) if score > QUALITY_SCORE_MAX => {
            Err(Fault::new("QUAL", format!("score {score} is above {QUALITY_SCORE_MAX}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use genomdb_genome::{Contig, alignment::Cigar};

    use super::*;

    fn check_record(change: impl Fn(&mut Record<'_>), expected: Expect) {
        let contig = Contig { name: "chr1".into(), length: Some(100), md5: None };
        let contigs = Contigs::new([contig]).unwrap();
        let mut record = Record {
            flag: 0,
            contig: Some(ContigId(0)),
            start: 10,
            mapping_quality: 60,
            mate_contig: None,
            mate_start: -1,
            template_length: 0,
            name: b"r",
            // 4M
            cigar: Cigar::from_bytes(&[0x40, 0, 0, 0]),
            base_count: 4,
            bases: &[0x12, 0x48],
            quality_scores: &[1, 2, 3, 4],
            tags: b"NMC\x01",
        };
        change(&mut record);
        expected
            .assert_eq(&check(&record, &contigs).map_or_else(|fault| fault.to_string(), |()| "good".into()));
    }

    #[test]
    fn a_record_obeys_the_specification() {
        check_record(|_| {}, expect!["good"]);
        check_record(|r| r.name = b"a b", expect!["QNAME: `a b` has characters outside `[!-?A-~]`"]);
        check_record(
            |r| r.contig = Some(ContigId(1)),
            expect!["RNAME: contig number 1 does not exist, the header lists 1"],
        );
        check_record(|r| r.start = 98, expect!["good"]);
        check_record(|r| r.start = 100, expect!["good"]);
        check_record(|r| r.start = 101, expect!["POS: 102 lies outside `chr1`, which has 100 bases"]);
        check_record(|r| (r.start, r.flag) = (101, 0x100), expect!["good"]);
        check_record(|r| r.start = -2, expect!["POS: -1 is out of range"]);
        check_record(
            |r| r.cigar = Cigar::from_bytes(&[0x49, 0, 0, 0]),
            expect!["CIGAR: operation code 9 is unknown"],
        );
        check_record(
            |r| r.cigar = Cigar::from_bytes(&[0x50, 0, 0, 0]),
            expect!["CIGAR: covers 5 bases, SEQ has 4"],
        );
        // 2M2S1M, 2H4M, 2M2I1H
        check_record(
            |r| r.cigar = Cigar::from_bytes(&[0x20, 0, 0, 0, 0x24, 0, 0, 0, 0x10, 0, 0, 0]),
            expect!["CIGAR: a clip lies inside `2M2S1M`"],
        );
        check_record(|r| r.cigar = Cigar::from_bytes(&[0x25, 0, 0, 0, 0x40, 0, 0, 0]), expect!["good"]);
        check_record(
            |r| r.cigar = Cigar::from_bytes(&[0x20, 0, 0, 0, 0x21, 0, 0, 0, 0x15, 0, 0, 0]),
            expect!["good"],
        );
        check_record(|r| r.quality_scores = &[1, 2, 3], expect!["QUAL: has 3 scores, SEQ has 4 bases"]);
        check_record(|r| r.quality_scores = &[1, 2, 3, 94], expect!["QUAL: score 94 is above 93"]);
        check_record(|r| r.tags = b"NMC", expect!["NM: the record ends within it"]);
        check_record(|r| r.tags = b"1MC\x01", expect!["optional fields: `1M` is not a key"]);
        check_record(|r| r.tags = b"COZa\tb\0", expect![[r#"CO: byte 2 of `a\t` is not printable"#]]);
        check_record(|r| r.tags = b"HXHABC\0", expect!["HX: `ABC` is not pairs of hexadecimal digits"]);
    }
}
