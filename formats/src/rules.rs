//! What a record must obey, whatever file it comes from (SAM v1 § 1.4, § 1.5).
//!
//! Every codec calls [`check`] before it pushes a record, so that nobody below checks again. A rule is as
//! strict as the specification, unless files that every tool reads break it: then it says so.

use genomdb_genome::{
    ContigId, Contigs,
    alignment::{Cigar, CigarKind, Record, tag},
};

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
    check_cigar(record)?;
    check_bases(record)?;
    check_tags(record.tags)
}

fn check_name(name: &[u8]) -> Result<(), Fault> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Fault::new("QNAME", format!("has {} characters, at most 254 are allowed", name.len())));
    }
    // `@` would make the line a header line. The fold has no early exit, so that it is vectorized.
    if name.iter().fold(true, |good, &byte| good & byte.is_ascii_graphic() & (byte != b'@')) {
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
    let span = record.cigar.reference_length();
    if i64::try_from(span).ok().and_then(|span| record.start.max(0).checked_add(span)).is_none() {
        return Err(Fault::new("CIGAR", format!("spans {span} bases of the reference, beyond any position")));
    }
    Ok(())
}

fn check_cigar(record: &Record<'_>) -> Result<(), Fault> {
    let fault = |reason| Err(Fault::new("CIGAR", reason));
    let (operations, rest) = record.cigar.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return fault("its bytes break off".into());
    }
    let code = |operation: &[u8; 4]| u32::from_le_bytes(*operation) & 0xf;
    if let Some(unknown) = operations.iter().map(code).find(|&code| code > 8) {
        return fault(format!("operation code {unknown} is unknown"));
    }
    if !clips_are_outermost(record.cigar) {
        return fault(format!("a clip lies inside `{}`", shown(record.cigar)));
    }
    let covered = record.cigar.query_length();
    if !operations.is_empty() && record.base_count > 0 && covered != u64::from(record.base_count) {
        return fault(format!("covers {covered} bases, SEQ has {}", record.base_count));
    }
    Ok(())
}

/// H stands only outermost, S only there or next to H.
fn clips_are_outermost(cigar: Cigar<'_>) -> bool {
    /// What has been seen: nothing, hard clips, soft clips, the alignment, and clips again.
    #[derive(PartialEq, PartialOrd)]
    enum Seen {
        Nothing,
        Hard,
        Soft,
        Aligned,
        SoftAfter,
        HardAfter,
    }
    let mut seen = Seen::Nothing;
    for operation in cigar.operations() {
        seen = match (operation.kind, seen) {
            (CigarKind::HardClip, Seen::Nothing | Seen::Hard) => Seen::Hard,
            (CigarKind::HardClip, _) => Seen::HardAfter,
            (CigarKind::SoftClip, Seen::Nothing | Seen::Hard | Seen::Soft) => Seen::Soft,
            (CigarKind::SoftClip, Seen::Aligned | Seen::SoftAfter) => Seen::SoftAfter,
            (CigarKind::SoftClip, Seen::HardAfter) => return false,
            (_, Seen::SoftAfter | Seen::HardAfter) => return false,
            (_, _) => Seen::Aligned,
        };
    }
    true
}

fn shown(cigar: Cigar<'_>) -> String {
    printable(cigar.to_string().as_bytes())
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

fn check_tags(bytes: &[u8]) -> Result<(), Fault> {
    for tag in tag::tags(bytes) {
        let tag = tag.map_err(|error| Fault::new("optional fields", error.to_string()))?;
        check_tag(&tag)?;
    }
    Ok(())
}

fn check_tag(tag: &tag::Tag<'_>) -> Result<(), Fault> {
    let tag::TagKey([first, second]) = tag.key;
    // The specification allows only a letter or digit as the second; htslib and its tests have more.
    if !first.is_ascii_alphabetic() || !second.is_ascii_graphic() {
        let reason = format!("`{}` is not a key", printable(&tag.key.0));
        return Err(Fault::new("optional fields", reason));
    }
    let fault = |what: &str| {
        let reason = format!("{what} in `{}`", printable(tag.value));
        Err(Fault::new(tag.key.to_string(), reason))
    };
    let all = |good: fn(&u8) -> bool| tag.value.iter().fold(true, |sum, byte| sum & good(byte));
    match tag.kind {
        tag::TagType::Single(b'A') if !all(u8::is_ascii_graphic) => fault("unprintable character"),
        tag::TagType::Single(b'Z') if !all(|byte| (b' '..=b'~').contains(byte)) => {
            fault("unprintable character")
        }
        // The specification wants capitals; htslib and its tests have both.
        tag::TagType::Single(b'H') if !tag.value.len().is_multiple_of(2) || !all(u8::is_ascii_hexdigit) => {
            fault("not pairs of hexadecimal digits")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use genomdb_genome::Contig;

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
        check_record(
            |r| r.tags = b"NMC",
            expect!["optional fields: optional field 0 at byte 0 is malformed"],
        );
        check_record(|r| r.tags = b"1MC\x01", expect!["optional fields: `1M` is not a key"]);
        check_record(|r| r.tags = b"COZa\tb\0", expect![[r"CO: unprintable character in `a\tb`"]]);
        check_record(|r| r.tags = b"HXHABC\0", expect!["HX: not pairs of hexadecimal digits in `ABC`"]);
    }
}
