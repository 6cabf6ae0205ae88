//! What a filter asks of FLAG and MAPQ, tested against what a block says of all its rows.

use crate::functions::FlagTest;

/// What a block says of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneMap {
    /// The flags that every row has.
    pub flag_and: u16,
    /// The flags that some row has.
    pub flag_or: u16,
    /// The smallest MAPQ as stored; 255 is NULL.
    pub mapq_min: u8,
    /// The largest MAPQ as stored; 255 is NULL.
    pub mapq_max: u8,
}

/// A condition that a filter puts on FLAG and MAPQ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// None.
    #[default]
    Any,
    /// Bits of FLAG.
    Flag(FlagTest),
    /// MAPQ between two values, both included; with `max` 255 also NULL.
    Mapq {
        /// The smallest.
        min: u8,
        /// The largest.
        max: u8,
    },
    /// All of them.
    All(Vec<Zone>),
    /// One of them.
    One(Vec<Zone>),
}

impl Zone {
    /// Tells whether a block may hold a row that meets the condition (PLAN-1: never wrongly `false`).
    pub fn may_hold(&self, map: ZoneMap) -> bool {
        match self {
            Self::Any => true,
            Self::Flag(test) => may_hold_flag(*test, map),
            Self::Mapq { min, max } => *min <= map.mapq_max && map.mapq_min <= *max,
            Self::All(parts) => parts.iter().all(|part| part.may_hold(map)),
            Self::One(parts) => parts.iter().any(|part| part.may_hold(map)),
        }
    }

    /// Both conditions.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, zone) | (zone, Self::Any) => zone,
            (Self::All(mut parts), zone) => {
                parts.push(zone);
                Self::All(parts)
            }
            (left, right) => Self::All(vec![left, right]),
        }
    }

    /// One of two conditions.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::One(mut parts), zone) => {
                parts.push(zone);
                Self::One(parts)
            }
            (left, right) => Self::One(vec![left, right]),
        }
    }
}

fn may_hold_flag(test: FlagTest, map: ZoneMap) -> bool {
    let FlagTest { mask, value, differs } = test;
    let (always, ever) = (map.flag_and & mask, map.flag_or & mask);
    if differs {
        return !(always == value && ever == value);
    }
    // Each bit of `value` is set in some row, each other bit of the mask is clear in some row.
    value & !mask == 0 && value & !ever == 0 && always & !value == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_with_a_match_is_never_skipped() {
        // Every block of one or two rows over three bits, against every test of those bits.
        for (first, second) in (0..8_u16).flat_map(|a| (0..8).map(move |b| (a, b))) {
            let map = ZoneMap { flag_and: first & second, flag_or: first | second, mapq_min: 0, mapq_max: 0 };
            for (mask, value) in (0..8).flat_map(|mask| (0..8).map(move |value| (mask, value))) {
                for differs in [false, true] {
                    let test = FlagTest { mask, value, differs };
                    let holds = test.holds(first) || test.holds(second);
                    assert!(!holds || may_hold_flag(test, map), "{first} {second} {test:?}");
                }
            }
        }
    }

    #[test]
    fn a_block_without_one_is_skipped() {
        let map = ZoneMap { flag_and: 0x4, flag_or: 0x5, mapq_min: 0, mapq_max: 20 };
        for zone in [
            Zone::Flag(FlagTest { mask: 0x4, value: 0, differs: false }),
            Zone::Flag(FlagTest { mask: 0x8, value: 0x8, differs: false }),
            Zone::Flag(FlagTest { mask: 0x4, value: 0x4, differs: true }),
            Zone::Mapq { min: 30, max: 254 },
        ] {
            assert!(!zone.may_hold(map), "{zone:?}");
        }
    }
}
