//! From a fragment to the BAM records of its reads: flags, mates, tags.

use super::{
    bam_record::{BamRecord, Tags},
    fragments::{Fate, Fragment, Fragments, Place},
    genome::{Genome, stream},
    qualities::{READ_BASES, ReadClass},
    random::{Random, mix},
    read::{self, Alignment, Clip, Locus, Operation, Read},
    variants::Variants,
};

/// Identifiers of the read groups, one a sample.
pub(crate) const READ_GROUPS: [(&str, &str); 2] = [("HSIMTDSXX.1", "sim_a"), ("HSIMTDSXX.2", "sim_b")];

/// A record and where it stands in a coordinate-sorted file.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlacedRecord {
    pub(crate) sort_key: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The sort key of records without a place.
pub(crate) const UNPLACED: u64 = u64::MAX;

/// Orders as samtools does: contig, position, forward before reverse.
pub(crate) fn sort_key(place: Place, reverse: bool) -> u64 {
    (place.contig as u64) << 40 | (place.position as u64) << 1 | u64::from(reverse)
}

/// Everything that the records of a fragment depend on.
#[derive(Debug)]
pub(crate) struct Library {
    pub(crate) genome: Genome,
    pub(crate) variants: Vec<Variants>,
    pub(crate) fragments: Fragments,
    pub(crate) seed: u64,
}

mod flag {
    pub(super) const PAIRED: u16 = 1;
    pub(super) const PROPER_PAIR: u16 = 2;
    pub(super) const UNMAPPED: u16 = 4;
    pub(super) const MATE_UNMAPPED: u16 = 8;
    pub(super) const REVERSE: u16 = 16;
    pub(super) const MATE_REVERSE: u16 = 32;
    pub(super) const FIRST: u16 = 64;
    pub(super) const LAST: u16 = 128;
    pub(super) const SECONDARY: u16 = 256;
    pub(super) const QC_FAIL: u16 = 512;
    pub(super) const DUPLICATE: u16 = 1024;
    pub(super) const SUPPLEMENTARY: u16 = 2048;
}

/// One end of a template: its read, and how it aligns if it does.
#[derive(Debug, Default)]
struct End {
    read: Read,
    alignment: Option<Alignment>,
}

/// The two ends of a template, with what they share.
struct Template<'a> {
    library: &'a Library,
    name: String,
    read_group: &'static str,
    ends: [End; 2],
    /// Flags of both ends.
    shared: u16,
}

impl Library {
    /// Appends the records of the fragment of this number; read 1 first, as a mapper writes them.
    pub(crate) fn records(&self, number: u64, out: &mut Vec<PlacedRecord>) {
        let fragment = self.fragments.get(number);
        let mut random = Random::new(self.seed, stream::READS, number);
        let classes = {
            let first = ReadClass::draw(&mut random, None);
            [first, ReadClass::draw(&mut random, Some(first))]
        };
        let template = self.template(&mut random, number, &fragment, classes);
        match fragment.fate {
            Fate::Split(other) => self.split(&mut random, template, other, out),
            Fate::Secondary(other) => {
                template.emit(0, out);
                template.emit_secondary(other, out);
                template.emit(1, out);
            }
            _ => {
                template.emit(0, out);
                template.emit(1, out);
            }
        }
    }

    fn template<'a>(
        &'a self,
        random: &mut Random,
        number: u64,
        fragment: &Fragment,
        classes: [ReadClass; 2],
    ) -> Template<'a> {
        let sample = usize::from(fragment.haplotype / 2);
        let (read_group, _) = READ_GROUPS.get(sample).copied().unwrap_or_default();
        let name = name(self.seed, number, sample + 1);
        let left = fragment.place;
        let right = Place { position: left.position + fragment.length - READ_BASES, ..left };
        let (places, reverse) = if fragment.first_is_right {
            ([right, left], [true, false])
        } else {
            ([left, right], [false, true])
        };
        let mut ends = [End::default(), End::default()];
        for ((index, end), class) in ends.iter_mut().enumerate().zip(classes) {
            let reverse = reverse.get(index).copied().unwrap_or_default();
            let place = match fragment.fate {
                Fate::Discordant(other) if index == 1 => other,
                _ => places.get(index).copied().unwrap_or(left),
            };
            let mapped = match fragment.fate {
                Fate::Unplaced => false,
                Fate::MateUnmapped => index == 0,
                _ => true,
            };
            *end = if mapped {
                self.mapped(random, place, fragment.haplotype, reverse, class)
            } else {
                unmapped(random, class)
            };
        }
        let mut shared = flag::PAIRED;
        shared |= match fragment.fate {
            Fate::Proper | Fate::Split(_) | Fate::Secondary(_) => flag::PROPER_PAIR,
            Fate::Duplicate => flag::PROPER_PAIR | flag::DUPLICATE,
            _ => 0,
        };
        if classes == [ReadClass::Bad; 2] && random.chance(60_000) {
            shared |= flag::QC_FAIL;
        }
        Template { library: self, name, read_group, ends, shared }
    }

    fn mapped(
        &self,
        random: &mut Random,
        place: Place,
        haplotype: u8,
        reverse: bool,
        class: ReadClass,
    ) -> End {
        let clip = match random.below(1_000) {
            0..14 => Clip::Left(random.between(4, 60) as usize),
            14..28 => Clip::Right(random.between(4, 60) as usize),
            _ => Clip::None,
        };
        let cycles = class.cycles(random);
        let Some(locus) = self.locus(place, haplotype) else { return unmapped(random, class) };
        let (read, mut alignment) = read::draw(random, &locus, &cycles, reverse, clip);
        alignment.contig = place.contig;
        alignment.mapping_quality = self.mapping_quality(random, place, class);
        End { read, alignment: Some(alignment) }
    }

    /// The first read runs over a break point: its left part lies at the fragment, its right part at `other`.
    fn split(
        &self,
        random: &mut Random,
        mut template: Template<'_>,
        other: Place,
        out: &mut Vec<PlacedRecord>,
    ) {
        let kept = random.between(80, 121) as usize;
        let [first, _] = &mut template.ends;
        let Some(place) =
            first.alignment.as_ref().map(|of| Place { contig: of.contig, position: of.position })
        else {
            return;
        };
        let (Some(near), Some(far)) = (self.locus(place, 0), self.locus(other, 0)) else { return };
        let cycles = ReadClass::Good.cycles(random);
        let (mut bases, mut cigar) = read::walk(&near, kept);
        let (tail, tail_cigar) = read::walk(&far, READ_BASES - kept);
        bases.extend(tail);
        first.read.qualities = read::sequence(random, &mut bases, &cycles, first.read.reverse);
        cigar.push(Operation::new(READ_BASES - kept, b'S'));
        let mut primary = read::describe(near.contig, place.position, cigar, &bases);
        primary.contig = place.contig;
        primary.mapping_quality = 60;
        let tail_bases = bases.get(kept..).unwrap_or_default();
        let mut supplementary = read::describe(far.contig, other.position, tail_cigar, tail_bases);
        supplementary.contig = other.contig;
        supplementary.mapping_quality = 60;
        supplementary.cigar.insert(0, Operation::new(kept, b'H'));
        first.read.bases = bases.clone();
        first.alignment = Some(primary);
        template.emit_split(kept, &supplementary, out);
        template.emit(1, out);
    }

    fn locus(&self, place: Place, haplotype: u8) -> Option<Locus<'_>> {
        let contig = self.genome.contigs.get(place.contig)?;
        let variants = self.variants.get(place.contig)?;
        Some(Locus { contig, variants, haplotype, start: place.position })
    }

    /// Most of a genome is unique; windows of it are not, and no read of theirs can be placed for sure.
    fn mapping_quality(&self, random: &mut Random, place: Place, class: ReadClass) -> u8 {
        let window = (place.contig as u64) << 40 | (place.position / 700) as u64;
        match mix(self.seed ^ mix(stream::MAPPABILITY) ^ window) % 1_000 {
            0..35 => 0,
            35..75 => random.between(1, 60) as u8,
            _ if class != ReadClass::Good && random.chance(60_000) => random.between(20, 60) as u8,
            _ => 60,
        }
    }
}

/// A read of something that is not in the reference; now and then the G of a cluster that went dark.
fn unmapped(random: &mut Random, class: ReadClass) -> End {
    let dark_from =
        if random.chance(150_000) { random.below(READ_BASES as u64) as usize } else { READ_BASES };
    let cycles = class.cycles(random);
    let mut bases: Vec<u8> =
        (0..READ_BASES).map(|cycle| if cycle >= dark_from { b'G' } else { random.base() }).collect();
    let qualities = read::sequence(random, &mut bases, &cycles, false);
    End { read: Read { bases, qualities, reverse: false }, alignment: None }
}

/// An Illumina name: instrument, run, flow cell, lane, tile, x, y; no two fragments share one.
fn name(seed: u64, number: u64, lane: usize) -> String {
    const TILES: u64 = 2 * 6 * 78;
    const X: u64 = 31_500;
    const Y: u64 = 36_000;
    // A Feistel network is a permutation of 40 bits; values past the last coordinate walk on to another.
    let mut spot = number;
    loop {
        for round in 0..4 {
            let (high, low) = (spot >> 20, spot & 0xf_ffff);
            spot = low << 20 | (high ^ mix(seed ^ mix(low | round << 32)) & 0xf_ffff);
        }
        if spot < TILES * X * Y {
            break;
        }
    }
    let (tile, x, y) = (spot / (X * Y), 1_000 + spot / Y % X, 1_000 + spot % Y);
    let (surface, swath, row) = (1 + tile / (6 * 78), 1 + tile / 78 % 6, 1 + tile % 78);
    format!("A00123:45:HSIMTDSXX:{lane}:{surface}{swath}{row:02}:{x}:{y}")
}

impl Template<'_> {
    fn contig_name(&self, contig: usize) -> &str {
        self.library.genome.contigs.get(contig).map_or("*", |contig| contig.name.as_str())
    }

    /// The end of this number and its mate.
    fn pair(&self, index: usize) -> (&End, &End) {
        let [first, second] = &self.ends;
        if index == 0 { (first, second) } else { (second, first) }
    }

    fn flags(&self, index: usize) -> u16 {
        let (end, mate) = self.pair(index);
        let mut flags = self.shared | if index == 0 { flag::FIRST } else { flag::LAST };
        for (set, bit) in [
            (end.alignment.is_none(), flag::UNMAPPED),
            (mate.alignment.is_none(), flag::MATE_UNMAPPED),
            (end.read.reverse, flag::REVERSE),
            (mate.read.reverse, flag::MATE_REVERSE),
        ] {
            flags |= if set { bit } else { 0 };
        }
        flags
    }

    fn tags(&self, index: usize, own: Option<&Alignment>, other: Option<&Alignment>) -> Tags {
        let (_, mate) = self.pair(index);
        let mut tags = Tags::default();
        if let Some(own) = own {
            tags.integer(b"NM", own.edits);
            tags.text(b"MD", &own.mismatches);
        }
        if let Some(mate) = &mate.alignment {
            tags.text(b"MC", mate.cigar_text().as_bytes());
            tags.integer(b"MQ", u64::from(mate.mapping_quality));
        }
        let score = own.map_or(0, |own| own.score.unsigned_abs());
        tags.integer(b"AS", score);
        // The score of the next best place: as good where the mapper could not tell, near nothing elsewhere.
        let next_best = own.map_or(0, |own| match own.mapping_quality {
            0 => score,
            60 if own.position % 3 == 0 => 19 + own.position as u64 % 12,
            60 => 0,
            quality => score.saturating_sub(u64::from(quality) / 3 + 1),
        });
        tags.integer(b"XS", next_best);
        if let (Some(other), Some(_)) = (other, own) {
            tags.text(b"SA", self.other_alignment(index, other).as_bytes());
        }
        tags.text(b"RG", self.read_group.as_bytes());
        tags
    }

    /// The text of an SA tag for the other part of a split read.
    fn other_alignment(&self, index: usize, other: &Alignment) -> String {
        let strand = if self.pair(index).0.read.reverse { '-' } else { '+' };
        let cigar = other.cigar_text().replace('H', "S");
        let (name, position) = (self.contig_name(other.contig), other.position + 1);
        format!("{name},{position},{strand},{cigar},{},{};", other.mapping_quality, other.edits)
    }

    /// Signed length from the leftmost to the rightmost base of the template, 0 across contigs.
    fn template_length(&self, index: usize) -> i32 {
        let (end, mate) = self.pair(index);
        let (Some(own), Some(mate)) = (&end.alignment, &mate.alignment) else { return 0 };
        if own.contig != mate.contig {
            return 0;
        }
        let length = (own.end().max(mate.end()) - own.position.min(mate.position)) as i32;
        let is_left = (own.position, index) < (mate.position, 1 - index);
        if is_left { length } else { -length }
    }

    fn emit(&self, index: usize, out: &mut Vec<PlacedRecord>) {
        let (end, _) = self.pair(index);
        let tags = self.tags(index, end.alignment.as_ref(), None);
        self.push(index, end.alignment.as_ref(), 0, (&end.read.bases, &end.read.qualities), &tags, out);
    }

    fn emit_split(&self, kept: usize, supplementary: &Alignment, out: &mut Vec<PlacedRecord>) {
        let [first, _] = &self.ends;
        let (bases, qualities) = (&first.read.bases, &first.read.qualities);
        let primary = first.alignment.as_ref();
        let tags = self.tags(0, primary, Some(supplementary));
        self.push(0, primary, 0, (bases, qualities), &tags, out);
        let tags = self.tags(0, Some(supplementary), primary);
        let tail = (bases.get(kept..).unwrap_or_default(), qualities.get(kept..).unwrap_or_default());
        self.push(0, Some(supplementary), flag::SUPPLEMENTARY, tail, &tags, out);
    }

    /// As `bwa mem -a` and others write them, without bases; so nothing can be said of edits either.
    fn emit_secondary(&self, place: Place, out: &mut Vec<PlacedRecord>) {
        let alignment = Alignment {
            contig: place.contig,
            position: place.position,
            cigar: vec![Operation::new(READ_BASES, b'M')],
            ..Alignment::default()
        };
        let tags = self.tags(0, None, None);
        self.push(0, Some(&alignment), flag::SECONDARY, (&[], &[]), &tags, out);
    }

    fn push(
        &self,
        index: usize,
        alignment: Option<&Alignment>,
        more_flags: u16,
        (bases, qualities): (&[u8], &[u8]),
        tags: &Tags,
        out: &mut Vec<PlacedRecord>,
    ) {
        let (end, mate) = self.pair(index);
        // A read that maps nowhere stands at its mate.
        let place = |alignment: Option<&Alignment>| {
            alignment.map(|alignment| Place { contig: alignment.contig, position: alignment.position })
        };
        let own = place(alignment).or(place(mate.alignment.as_ref()));
        let of_mate = place(mate.alignment.as_ref()).or(own);
        let number = |value: Option<usize>| value.map_or(-1, |value| value as i32);
        let position = number(own.map(|own| own.position));
        let record = BamRecord {
            name: &self.name,
            flags: self.flags(index) | more_flags,
            contig: number(own.map(|own| own.contig)),
            position,
            end: alignment.map_or(position + 1, |alignment| alignment.end() as i32),
            mapping_quality: alignment.map_or(0, |alignment| alignment.mapping_quality),
            cigar: alignment.map_or(&[], |alignment| &alignment.cigar),
            mate_contig: number(of_mate.map(|mate| mate.contig)),
            mate_position: number(of_mate.map(|mate| mate.position)),
            template_length: if more_flags == 0 { self.template_length(index) } else { 0 },
            bases,
            qualities,
            tags,
        };
        let sort_key = own.map_or(UNPLACED, |own| sort_key(own, end.read.reverse));
        out.push(PlacedRecord { sort_key, bytes: record.encode() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_look_like_illumina() {
        let names: HashSet<String> = (0..50_000).map(|number| name(1, number, 1)).collect();
        assert_eq!(names.len(), 50_000);
        let any = name(1, 7, 2);
        assert!(any.starts_with("A00123:45:HSIMTDSXX:2:"), "{any}");
        assert_eq!(any.split(':').count(), 7);
    }
}
