//! A small seeded generator: the same numbers on every machine and in every version of our dependencies.
//!
//! Not for secrets. `rand` promises no stable sequence for its fast generators, and the same bytes twice is
//! the first thing asked of a simulation.

/// xoshiro256++ (Blackman and Vigna, 2019), seeded through splitmix64.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: [u64; 4],
}

/// Mixes 64 bits so that neighbouring inputs share nothing (the finisher of splitmix64).
pub(crate) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Random {
    /// The generator of one thing (`item`) for one purpose (`stream`), independent of all others.
    pub(crate) fn new(seed: u64, stream: u64, item: u64) -> Self {
        let mut word = mix(seed ^ mix(stream) ^ mix(item).rotate_left(17));
        let mut next = || {
            word = mix(word);
            word
        };
        Self { state: [next(), next(), next(), next()] }
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number in `0..bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // Multiply and shift: its bias is below 2^-32 for the bounds used here.
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low))
    }

    /// A number in `[0, 1)`.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in `per_million` of a million calls.
    pub(crate) fn chance(&mut self, per_million: u64) -> bool {
        self.below(1_000_000) < per_million
    }

    /// Normally distributed, as the sum of twelve uniforms: tails end at six sigma, no transcendental
    /// function whose last bit differs between machines.
    pub(crate) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let sum: f64 = (0..12).map(|_| self.unit()).sum();
        mean + deviation * (sum - 6.0)
    }

    /// One of A, C, G, T.
    pub(crate) fn base(&mut self) -> u8 {
        match self.bits() >> 62 {
            0 => b'A',
            1 => b'C',
            2 => b'G',
            _ => b'T',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_never_changes() {
        let mut random = Random::new(1, 2, 3);
        let first: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        let mut again = Random::new(1, 2, 3);
        assert_eq!(first, (0..3).map(|_| again.bits()).collect::<Vec<_>>());
        assert_ne!(first[0], Random::new(1, 2, 4).bits());
        assert_ne!(first[0], Random::new(1, 3, 3).bits());
    }

    #[test]
    fn numbers_stay_in_their_bounds() {
        let mut random = Random::new(7, 0, 0);
        for _ in 0..10_000 {
            assert!(random.below(10) < 10);
            assert!((5..9).contains(&random.between(5, 9)));
            assert!((0.0..1.0).contains(&random.unit()));
        }
        let mean = (0..10_000).map(|_| random.normal(400.0, 90.0)).sum::<f64>() / 10_000.0;
        assert!((395.0..405.0).contains(&mean), "{mean}");
    }
}
