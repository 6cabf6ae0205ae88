//! What distinguishes the four haplotypes of the two simulated samples from the reference.

use super::{
    genome::{Genome, stream},
    random::Random,
};

/// A difference at a base of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Another base stands here.
    Substitution(u8),
    /// These bases follow it.
    Insertion(Vec<u8>),
    /// So many of the following bases are missing.
    Deletion(usize),
}

/// A variant and the haplotypes that carry it.
#[derive(Debug, Clone)]
pub(crate) struct Variant {
    /// 0-based.
    pub(crate) position: usize,
    pub(crate) change: Change,
    carriers: u8,
}

/// The variants of one contig, ascending.
#[derive(Debug, Default, Clone)]
pub(crate) struct Variants(Vec<Variant>);

/// The two samples have two haplotypes each: 0 and 1, 2 and 3.
pub(crate) const HAPLOTYPES: u64 = 4;
/// One variant in so many bases, as between two humans.
const SPACING_BASES: u64 = 1_000;
/// No two variants stand closer, so that they never overlap.
const SPACING_MIN_BASES: u64 = 60;

impl Variants {
    /// Draws the variants of every contig: six in seven substitutions, the rest short insertions and deletions.
    pub(crate) fn draw(genome: &Genome, seed: u64) -> Vec<Self> {
        let of_contig = |(index, contig): (usize, &super::genome::Contig)| {
            let mut random = Random::new(seed, stream::VARIANTS, index as u64);
            let mut variants = Vec::new();
            let mut position = random.between(SPACING_MIN_BASES, 2 * SPACING_BASES) as usize;
            while let Some(reference) = contig.bases.get(position) {
                let change = match random.below(14) {
                    0 => Change::Deletion(short_length(&mut random)),
                    1 => {
                        let length = short_length(&mut random);
                        Change::Insertion((0..length).map(|_| random.base()).collect())
                    }
                    _ => Change::Substitution(other_base(&mut random, *reference)),
                };
                let carriers = random.between(1, 1 << HAPLOTYPES) as u8;
                variants.push(Variant { position, change, carriers });
                let gap = random.between(SPACING_MIN_BASES, 2 * SPACING_BASES - SPACING_MIN_BASES);
                position += gap as usize;
            }
            Self(variants)
        };
        genome.contigs.iter().enumerate().map(of_contig).collect()
    }

    /// The variants at or after `position` that `haplotype` carries.
    pub(crate) fn carried(&self, haplotype: u8, position: usize) -> impl Iterator<Item = &Variant> {
        let first = self.0.partition_point(|variant| variant.position < position);
        let carried = move |variant: &&Variant| variant.carriers >> haplotype & 1 == 1;
        self.0.get(first..).unwrap_or_default().iter().filter(carried)
    }
}

/// Lengths of insertions and deletions: half of them one base, seldom more than ten.
fn short_length(random: &mut Random) -> usize {
    let mut length = 1;
    while length < 20 && random.chance(480_000) {
        length += 1;
    }
    length
}

/// Any base but `base`.
pub(crate) fn other_base(random: &mut Random, base: u8) -> u8 {
    loop {
        let drawn = random.base();
        if drawn != base {
            return drawn;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_ascend_and_keep_their_distance() {
        let genome = Genome::synthetic(200_000, 1);
        for variants in Variants::draw(&genome, 1) {
            for pair in variants.0.windows(2) {
                assert!(pair[0].position + SPACING_MIN_BASES as usize <= pair[1].position);
            }
            assert!(variants.0.iter().all(|variant| variant.carriers > 0));
            assert!(variants.carried(0, 0).count() < variants.0.len());
        }
    }
}
