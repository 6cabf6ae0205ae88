//! Base qualities as a NovaSeq 6000 bins them: 37 mostly, then 25, 11, and 2 where no base was called.
//!
//! A read has a class (good, worn, bad) that it shares more or less with its mate; within a class each quality
//! depends on the one before and on the cycle. Order-1 entropy comes to about 0.8 bits a base.

use super::random::Random;

/// Bases a read has.
pub(crate) const READ_BASES: usize = 150;
/// The four levels, best first.
pub(crate) const LEVELS: [u8; 4] = [37, 25, 11, 2];
/// Chance of a wrong base by level, of 65,536: 0.0002, 0.003, 0.05; a level of 2 is no call.
const ERRORS: [u64; 4] = [13, 200, 3_300, 0];

/// How well a cluster was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadClass {
    Good,
    Worn,
    Bad,
}

/// Chances of the next level given the one before, of 65,536, cumulated; a row per level before.
type Transitions = [[u64; 3]; 4];

const GOOD: Transitions =
    [[59_800, 63_500, 65_522], [46_500, 57_000, 65_500], [42_000, 52_500, 65_500], [52_000, 56_000, 61_000]];
const WORN: Transitions =
    [[53_000, 59_800, 65_518], [36_500, 49_500, 65_490], [29_000, 40_500, 65_450], [42_000, 50_000, 60_500]];
const BAD: Transitions =
    [[46_500, 53_800, 65_490], [25_500, 38_500, 65_450], [18_000, 26_500, 65_400], [24_000, 34_000, 58_000]];

/// One called cycle: its level and whether the base is wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cycle {
    pub(crate) quality: u8,
    pub(crate) wrong: bool,
}

impl ReadClass {
    /// Draws the class of a read 1, or of a read 2 whose mate had `mate`.
    pub(crate) fn draw(random: &mut Random, mate: Option<Self>) -> Self {
        let fresh = match random.below(100) {
            0..79 => Self::Good,
            79..95 => Self::Worn,
            _ => Self::Bad,
        };
        match mate {
            Some(mate) if random.chance(550_000) => mate,
            // Second reads are the worse ones: the cluster has been through 150 cycles and a turn-around.
            Some(_) if fresh == Self::Good && random.chance(90_000) => Self::Worn,
            _ => fresh,
        }
    }

    fn transitions(self) -> &'static Transitions {
        match self {
            Self::Good => &GOOD,
            Self::Worn => &WORN,
            Self::Bad => &BAD,
        }
    }

    /// Draws the cycles of a read, in the order of sequencing.
    pub(crate) fn cycles(self, random: &mut Random) -> [Cycle; READ_BASES] {
        let transitions = self.transitions();
        let mut level = 0;
        let mut index = 0u64;
        [(); READ_BASES].map(|()| {
            let bits = random.bits();
            let [best, good, poor] = transitions.get(level).copied().unwrap_or_default();
            // The last third of a read decays, and its first cycles are read on a fresh, dense image.
            let decay = index.saturating_sub(90) * 11 + if index < 4 { 350 } else { 0 };
            let draw = (bits & 0xffff) + decay;
            level = usize::from(draw >= best) + usize::from(draw >= good.max(best));
            level += usize::from(draw >= poor + decay);
            index += 1;
            let wrong = bits >> 48 < ERRORS.get(level).copied().unwrap_or_default();
            Cycle { quality: LEVELS.get(level).copied().unwrap_or_default(), wrong }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Order-1 entropy in bits of the qualities of many reads, and the share of 37s.
    fn measure() -> (f64, f64) {
        let mut pairs = [[0f64; 64]; 64];
        let mut random = Random::new(1, 0, 0);
        for _ in 0..20_000 {
            let mate = ReadClass::draw(&mut random, None);
            for class in [mate, ReadClass::draw(&mut random, Some(mate))] {
                let mut before = 0;
                for cycle in class.cycles(&mut random) {
                    pairs[before][usize::from(cycle.quality)] += 1.0;
                    before = usize::from(cycle.quality);
                }
            }
        }
        let total: f64 = pairs.iter().flatten().sum();
        let best: f64 = pairs.iter().map(|row| row[37]).sum();
        let mut bits = 0.0;
        for row in &pairs {
            let sum: f64 = row.iter().sum();
            bits -= row
                .iter()
                .filter(|count| **count > 0.0)
                .map(|count| count * (count / sum).log2())
                .sum::<f64>();
        }
        (bits / total, best / total)
    }

    #[test]
    fn entropy_and_share_are_those_of_real_data() {
        let (bits, best) = measure();
        assert!((0.7..1.0).contains(&bits), "order-1 entropy {bits}, share of 37 {best}");
        assert!((0.80..0.93).contains(&best), "order-1 entropy {bits}, share of 37 {best}");
    }
}
