//! The settings `query.…`: what one query may take, and how urgent it is.

use std::{fmt, str::FromStr, time::Duration};

use datafusion::{
    common::{DataFusionError, config::ConfigExtension, config_err, config_field, extensions_options},
    config::ConfigOptions,
};

extensions_options! {
    /// What one query may take: `SET query.max_memory = '512MiB'` and the like. 0 is no limit.
    pub struct QueryOptions {
        /// Memory that a query may hold: bytes, or with a unit as in '512MiB' or '2GB'.
        pub max_memory: ByteCount, default = ByteCount(2 << 30)
        /// Time that a query may take, its wait for its turn included: seconds, or with a unit as in '500ms', '30s', '5min'; 0 is no limit.
        pub timeout: Timeout, default = Timeout(Duration::ZERO)
        /// Bytes of stored values that a query may read; 0 is no limit.
        pub max_bytes_scanned: ByteCount, default = ByteCount(0)
        /// Rows that a query may return; 0 is no limit. One more is an error, never a shorter result.
        pub max_result_rows: u64, default = 0
        /// Bytes that the rows which a query returns may take in memory; 0 is no limit.
        pub max_result_bytes: ByteCount, default = ByteCount(0)
        /// Whose turn it is first where queries wait: low, normal or high.
        pub priority: Priority, default = Priority::Normal
    }
}

impl ConfigExtension for QueryOptions {
    const PREFIX: &'static str = "query";
}

impl QueryOptions {
    /// The settings in `options`, or the defaults if they have none.
    pub(crate) fn of(options: &ConfigOptions) -> Self {
        options.extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// The first setting here that asks for more than `bounds` allow, by its name.
    pub fn beyond(&self, bounds: &Self) -> Option<&'static str> {
        // 0 is no limit, so the most.
        let more = |value: u64, bound: u64| bound != 0 && (value == 0 || value > bound);
        let millis = |timeout: Timeout| u64::try_from(timeout.0.as_millis()).unwrap_or(u64::MAX);
        let numbers = [
            ("query.max_memory", self.max_memory.0, bounds.max_memory.0),
            ("query.timeout", millis(self.timeout), millis(bounds.timeout)),
            ("query.max_bytes_scanned", self.max_bytes_scanned.0, bounds.max_bytes_scanned.0),
            ("query.max_result_rows", self.max_result_rows, bounds.max_result_rows),
            ("query.max_result_bytes", self.max_result_bytes.0, bounds.max_result_bytes.0),
        ];
        let beyond = numbers.into_iter().find(|&(_, value, bound)| more(value, bound));
        match beyond {
            Some((name, ..)) => Some(name),
            None => (self.priority > bounds.priority).then_some("query.priority"),
        }
    }
}

/// How urgent a query is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// After all others.
    Low,
    /// As most.
    #[default]
    Normal,
    /// Before all others.
    High,
}

impl fmt::Display for Priority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        })
    }
}

impl FromStr for Priority {
    type Err = DataFusionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "low" => Ok(Self::Low),
            "normal" => Ok(Self::Normal),
            "high" => Ok(Self::High),
            _ => config_err!("`{text}` is no priority; low, normal and high are"),
        }
    }
}

/// A number of bytes, written with a unit where that is shorter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

const BYTE_UNITS: [(&str, u64); 10] = [
    ("tib", 1 << 40),
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("tb", 1_000_000_000_000),
    ("gb", 1_000_000_000),
    ("mb", 1_000_000),
    ("kb", 1_000),
    ("b", 1),
    ("", 1),
];

impl fmt::Display for ByteCount {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("TiB", 1_u64 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        match units.into_iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => write!(formatter, "{}{name}", self.0 / unit),
            None => write!(formatter, "{}", self.0),
        }
    }
}

impl FromStr for ByteCount {
    type Err = DataFusionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            DataFusionError::Configuration(format!(
                "`{text}` is no number of bytes: 0 for no limit, or as in 512MiB, 2GB"
            ))
        };
        let (number, unit) = split_unit(text);
        let unit = unit.to_ascii_lowercase();
        let (_, factor) = BYTE_UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

/// A time that something may take; zero is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timeout(pub Duration);

impl Timeout {
    /// The limit, if there is one.
    pub const fn limit(self) -> Option<Duration> {
        if self.0.is_zero() { None } else { Some(self.0) }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match (millis % 1_000, millis / 1_000) {
            (0, 0) => formatter.write_str("0"),
            (0, seconds) => write!(formatter, "{seconds}s"),
            _ => write!(formatter, "{millis}ms"),
        }
    }
}

impl FromStr for Timeout {
    type Err = DataFusionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            DataFusionError::Configuration(format!(
                "`{text}` is no time: 0 for no limit, or as in 500ms, 30s, 5min, 1h"
            ))
        };
        let (number, unit) = split_unit(text);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" | "" => 1_000,
            "min" | "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let number: u64 = number.parse().map_err(|_| wrong())?;
        number.checked_mul(millis).map(|millis| Self(Duration::from_millis(millis))).ok_or_else(wrong)
    }
}

/// Divides "512 MiB" into its number and its unit.
fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

config_field!(Priority, value => value.parse::<Priority>()?);
config_field!(ByteCount, value => value.parse::<ByteCount>()?);
config_field!(Timeout, value => value.parse::<Timeout>()?);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_written() {
        for (text, bytes, written) in [
            ("0", 0, "0"),
            ("1024", 1024, "1KiB"),
            ("512 MiB", 512 << 20, "512MiB"),
            ("2GB", 2_000_000_000, "1953125KiB"),
            ("3gib", 3 << 30, "3GiB"),
        ] {
            let count: ByteCount = text.parse().unwrap();
            assert_eq!((count.0, count.to_string().as_str()), (bytes, written), "{text}");
            assert_eq!(count.to_string().parse::<ByteCount>().unwrap(), count);
        }
        for (text, millis, written) in
            [("0", 0, "0"), ("30", 30_000, "30s"), ("1500ms", 1_500, "1500ms"), ("2 min", 120_000, "120s")]
        {
            let timeout: Timeout = text.parse().unwrap();
            assert_eq!(timeout.0, Duration::from_millis(millis), "{text}");
            assert_eq!(timeout.to_string(), written);
        }
        for wrong in ["", "-1", "1.5GB", "GB", "12 parsecs", "99999999999TiB", "１"] {
            assert!(wrong.parse::<ByteCount>().is_err(), "{wrong}");
        }
        for wrong in ["", "-1s", "s", "1 fortnight", "99999999999999999999h"] {
            assert!(wrong.parse::<Timeout>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_gets_beyond_bounds_by_having_no_limit() {
        let bounds = QueryOptions { max_result_rows: 10, ..QueryOptions::default() };
        assert_eq!(bounds.beyond(&bounds), None);
        let of = |rows| QueryOptions { max_result_rows: rows, ..QueryOptions::default() };
        assert_eq!(of(9).beyond(&bounds), None);
        assert_eq!(of(11).beyond(&bounds), Some("query.max_result_rows"));
        assert_eq!(of(0).beyond(&bounds), Some("query.max_result_rows"));
        assert_eq!(of(11).beyond(&of(0)), None);
        let high = QueryOptions { priority: Priority::High, ..QueryOptions::default() };
        assert_eq!(high.beyond(&QueryOptions::default()), Some("query.priority"));
    }
}
