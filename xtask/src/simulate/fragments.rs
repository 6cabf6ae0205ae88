//! Where each fragment of the library comes from: any fragment by its number, without those before it.
//!
//! That random access is what makes one simulation come out sorted, streamed in bounded memory, or shuffled,
//! with the same records. Fragments fall into *strata*: stretches of the genome that hold 64 each; within its
//! stratum a fragment lies anywhere, so that depth varies as in a real library over a read's length.

use super::{
    genome::{Genome, stream},
    random::Random,
    variants::HAPLOTYPES,
};

/// Fragments in a stratum.
pub(crate) const STRATUM_FRAGMENTS: u64 = 64;
/// Bases that must follow a fragment's start: its length and what deletions may add.
const ROOM_BASES: usize = 1_000;

/// What became of a fragment, with the place of its other end where that lies elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Both ends map as they should.
    Proper,
    /// As the fragment before, by the polymerase chain reaction.
    Duplicate,
    /// The second end maps nowhere and is placed with its mate.
    MateUnmapped,
    /// Neither end maps.
    Unplaced,
    /// The second end maps to another place of the genome.
    Discordant(Place),
    /// The first read runs from here to another place: a supplementary alignment.
    Split(Place),
    /// The first read has a second, equally good place.
    Secondary(Place),
}

/// A base of the reference: the contig's number and a 0-based position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) contig: usize,
    pub(crate) position: usize,
}

/// Where a fragment lies and what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fragment {
    pub(crate) fate: Fate,
    pub(crate) place: Place,
    /// Bases from the fragment's first to its last.
    pub(crate) length: usize,
    pub(crate) haplotype: u8,
    /// Whether read 1 is the right end, on the reverse strand.
    pub(crate) first_is_right: bool,
}

/// All fragments of a simulation.
#[derive(Debug)]
pub(crate) struct Fragments {
    seed: u64,
    count: u64,
    stretches: Vec<Stretch>,
    startable: u64,
}

/// A stretch without N: `startable` bases from `place` on where a fragment may start.
#[derive(Debug)]
struct Stretch {
    before: u64,
    place: Place,
    startable: u64,
}

impl Fragments {
    /// Spreads `count` fragments over the stretches of the genome that are long enough and without N.
    pub(crate) fn spread(genome: &Genome, count: u64, seed: u64) -> Option<Self> {
        let mut stretches = Vec::new();
        let mut startable = 0;
        for (contig, sequence) in genome.contigs.iter().enumerate() {
            let mut position = 0;
            for bases in sequence.bases.split(|base| !b"ACGT".contains(base)) {
                if let Some(room) = bases.len().checked_sub(ROOM_BASES).filter(|room| *room > 0) {
                    let place = Place { contig, position };
                    stretches.push(Stretch { before: startable, place, startable: room as u64 });
                    startable += room as u64;
                }
                position += bases.len() + 1;
            }
        }
        (startable > 0).then_some(Self { seed, count, stretches, startable })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The first place where a fragment of this stratum or a later one may lie.
    pub(crate) fn stratum_start(&self, stratum: u64) -> Place {
        self.place(self.coordinate(stratum as f64))
    }

    /// The fragment of this number.
    pub(crate) fn get(&self, number: u64) -> Fragment {
        let fragment = self.draw(number);
        if fragment.fate != Fate::Duplicate {
            return fragment;
        }
        // The original is the fragment before, if that is of the same stratum and lies where it should.
        let original = number.checked_sub(1).map(|before| self.draw(before));
        match original
            .filter(|original| original.fate == Fate::Proper && !number.is_multiple_of(STRATUM_FRAGMENTS))
        {
            Some(original) => Fragment { fate: Fate::Duplicate, ..original },
            None => Fragment { fate: Fate::Proper, ..fragment },
        }
    }

    fn draw(&self, number: u64) -> Fragment {
        let mut random = Random::new(self.seed, stream::GEOMETRY, number);
        let within = (number / STRATUM_FRAGMENTS) as f64 + random.unit();
        let place = self.place(self.coordinate(within));
        let length = random.normal(420.0, 95.0).clamp(160.0, 900.0) as usize;
        let haplotype = random.below(HAPLOTYPES) as u8;
        let first_is_right = random.bits() & 1 == 1;
        let draw = random.below(1_000_000);
        let other = self.place(random.below(self.startable));
        let fate = match draw {
            0..60_000 => Fate::Duplicate,
            60_000..65_000 => Fate::MateUnmapped,
            65_000..73_000 => Fate::Unplaced,
            73_000..79_000 => Fate::Discordant(other),
            79_000..83_000 => Fate::Split(other),
            83_000..85_000 => Fate::Secondary(other),
            _ => Fate::Proper,
        };
        Fragment { fate, place, length, haplotype, first_is_right }
    }

    /// Strata to startable bases, counted through all stretches.
    fn coordinate(&self, stratum: f64) -> u64 {
        let strata = self.count.div_ceil(STRATUM_FRAGMENTS).max(1) as f64;
        ((stratum / strata * self.startable as f64) as u64).min(self.startable - 1)
    }

    fn place(&self, coordinate: u64) -> Place {
        let next = self.stretches.partition_point(|stretch| stretch.before <= coordinate);
        let stretch = next.checked_sub(1).and_then(|at| self.stretches.get(at));
        stretch.map_or(Place { contig: 0, position: 0 }, |stretch| {
            debug_assert!(coordinate - stretch.before < stretch.startable);
            let position = stretch.place.position + (coordinate - stretch.before) as usize;
            Place { contig: stretch.place.contig, position }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::genome::Contig;

    #[test]
    fn fragments_keep_clear_of_n_and_of_the_ends() {
        let mut bases = vec![b'A'; 5_000];
        bases[2_000..2_500].fill(b'N');
        let short = Contig { name: "short".to_owned(), bases: vec![b'C'; 500] };
        let genome = Genome { contigs: vec![short, Contig { name: "c".to_owned(), bases }] };
        let fragments = Fragments::spread(&genome, 1_000, 5).unwrap();
        for number in 0..1_000 {
            let fragment = fragments.get(number);
            let Place { contig, position } = fragment.place;
            assert_eq!(contig, 1);
            assert!((0..1_000).contains(&position) || (2_500..4_000).contains(&position), "{position}");
            assert!(fragments.stratum_start(number / STRATUM_FRAGMENTS) <= fragment.place);
            assert!(fragment.place <= fragments.stratum_start(number / STRATUM_FRAGMENTS + 1));
        }
    }
}
