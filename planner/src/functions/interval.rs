//! Functions of intervals: 0-based and half-open in columns, region notation in text.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray},
    datatypes::{DataType, Int32Type, Int64Type},
};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use genomdb_genome::{ContigId, Interval, Region, RegionSet};

use super::{Arguments, Function, Parameter};

const INTERVAL: &[Parameter] = &[Parameter::Chrom, Parameter::Position, Parameter::Position];
const INTERVAL_AND_REGION: &[Parameter] =
    &[Parameter::Chrom, Parameter::Position, Parameter::Position, Parameter::Region];
const INTERVAL_DISTANCE_AND_REGION: &[Parameter] =
    &[Parameter::Chrom, Parameter::Position, Parameter::Position, Parameter::Bases, Parameter::Region];
const TWO_INTERVALS: &[Parameter] = &[
    Parameter::Chrom,
    Parameter::Position,
    Parameter::Position,
    Parameter::Chrom,
    Parameter::Position,
    Parameter::Position,
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "intersects",
        aliases: &[],
        forms: &[INTERVAL_AND_REGION],
        variadic: true,
        returns: DataType::Boolean,
        purpose: "Tells whether an interval shares a base with one of the regions; `*` is what has no contig.",
        example: ("intersects('chr1', 999, 1100, 'chr1:1100-1200')", "true"),
        evaluate: intersects,
    },
    Function {
        name: "contains_region",
        aliases: &[],
        forms: &[INTERVAL_AND_REGION],
        variadic: false,
        returns: DataType::Boolean,
        purpose: "Tells whether a region lies inside an interval.",
        example: ("contains_region('chr1', 999, 1100, 'chr1:1001-1100')", "true"),
        evaluate: |arguments| {
            compare(arguments, 3, |_, mine, other| Ok(mine.0 <= other.0 && other.1 <= mine.1))
        },
    },
    Function {
        name: "within_region",
        aliases: &[],
        forms: &[INTERVAL_AND_REGION],
        variadic: false,
        returns: DataType::Boolean,
        purpose: "Tells whether an interval lies inside a region.",
        example: ("within_region('chr1', 999, 1100, 'chr1:1001-1100')", "false"),
        evaluate: |arguments| {
            compare(arguments, 3, |_, mine, other| Ok(other.0 <= mine.0 && mine.1 <= other.1))
        },
    },
    Function {
        name: "within_distance",
        aliases: &[],
        forms: &[INTERVAL_DISTANCE_AND_REGION],
        variadic: false,
        returns: DataType::Boolean,
        purpose: "Tells whether at most so many bases lie between an interval and a region.",
        example: ("within_distance('chr1', 999, 1100, 5, 'chr1:1106-1200')", "true"),
        evaluate: |arguments| {
            let distances = arguments.integers(3)?;
            compare(arguments, 4, |row, mine, other| {
                let distance = if distances.is_valid(row) { distances.value(row) } else { return Ok(false) };
                let near = |end: i64, start: i64| start <= end.saturating_add(distance);
                Ok(near(other.1, mine.0) && near(mine.1, other.0))
            })
        },
    },
    Function {
        name: "region",
        aliases: &[],
        forms: &[INTERVAL],
        variadic: false,
        returns: DataType::Utf8,
        purpose: "Writes an interval as region text, 1-based and closed as in samtools.",
        example: ("region('chr1', 999, 1100)", "chr1:1000-1100"),
        evaluate: region,
    },
    Function {
        name: "overlap_bp",
        aliases: &[],
        forms: &[TWO_INTERVALS, INTERVAL_AND_REGION],
        variadic: false,
        returns: DataType::Int64,
        purpose: "Counts the bases that two intervals share; 0 on different contigs.",
        example: ("overlap_bp('chr1', 0, 10, 'chr1', 7, 20)", "3"),
        evaluate: overlap_bp,
    },
    Function {
        name: "bin",
        aliases: &[],
        forms: &[&[Parameter::Position, Parameter::Bases]],
        variadic: false,
        returns: DataType::Int64,
        purpose: "Returns the start of the bin of that many bases in which a position lies.",
        example: ("bin(4321, 2000)", "4000"),
        evaluate: bin,
    },
];

/// Reads region text; the error says what is wrong with it.
///
/// # Errors
///
/// If the text is no region.
pub fn parse_region(text: &str) -> Result<Region> {
    match text.parse() {
        Ok(region) => Ok(region),
        Err(error) => plan_err!("{error}"),
    }
}

/// The intervals of the rows, and their contigs as codes into a list of names.
struct Rows {
    names: StringArray,
    codes: Vec<Option<usize>>,
    starts: Int64Array,
    ends: Int64Array,
}

impl Rows {
    fn new(arguments: &Arguments<'_>) -> Result<Self> {
        let (starts, ends) = (arguments.integers(1)?, arguments.integers(2)?);
        let chroms = arguments.array(0)?;
        let (names, codes) = match chroms.as_dictionary_opt::<Int32Type>() {
            Some(dictionary) => (
                arrow::compute::cast(dictionary.values(), &DataType::Utf8)?.as_string::<i32>().clone(),
                dictionary.keys_iter().collect(),
            ),
            None => {
                let names = arguments.text(0)?;
                let codes = (0..names.len()).map(|row| (!names.is_null(row)).then_some(row)).collect();
                (names, codes)
            }
        };
        Ok(Self { names, codes, starts, ends })
    }

    fn contig(&self, row: usize) -> Option<&str> {
        self.codes.get(row).copied().flatten().map(|code| self.names.value(code))
    }

    /// Tells whether a row shares a base with a region.
    fn touches(&self, row: usize, region: &Region) -> bool {
        let contig = self.contig(row);
        match region {
            Region::Unplaced => contig.is_none(),
            Region::Placed { contig: wanted, interval } => {
                let (start, end) = bounds(*interval);
                contig == Some(wanted) && self.interval(row).is_some_and(|(s, e)| s < end && start < e)
            }
        }
    }

    fn interval(&self, row: usize) -> Option<(i64, i64)> {
        (self.starts.is_valid(row) && self.ends.is_valid(row))
            .then(|| (self.starts.value(row), self.ends.value(row)))
    }
}

fn intersects(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let rows = Rows::new(arguments)?;
    let mut constant = Vec::new();
    let mut found = vec![false; arguments.rows];
    for index in 3..arguments.count() {
        match arguments.constant(index)? {
            Some(ScalarValue::Utf8(Some(text))) => constant.push(parse_region(text)?),
            Some(_) => {}
            None => {
                let texts = arguments.text(index)?;
                for (row, (text, found)) in texts.iter().zip(&mut found).enumerate() {
                    *found |= match text {
                        Some(text) => rows.touches(row, &parse_region(text)?),
                        None => false,
                    };
                }
            }
        }
    }
    mark(&rows, &constant, &mut found);
    Ok(Arc::new(BooleanArray::from(found)))
}

/// Compares each row with the region of its row, given by the argument at `index`.
///
/// A row without a contig is the region `*` and no other; a NULL region is none.
fn compare(
    arguments: &Arguments<'_>,
    index: usize,
    holds: impl Fn(usize, (i64, i64), (i64, i64)) -> Result<bool>,
) -> Result<ArrayRef> {
    let rows = Rows::new(arguments)?;
    let texts = arguments.text(index)?;
    let mut last: Option<(&str, Region)> = None;
    let mut found = Vec::with_capacity(arguments.rows);
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            found.push(false);
            continue;
        };
        let region = match last.take() {
            Some((known, region)) if known == text => region,
            _ => parse_region(text)?,
        };
        found.push(match &region {
            Region::Unplaced => rows.contig(row).is_none(),
            Region::Placed { contig, interval } => match rows.interval(row) {
                Some(mine) if rows.contig(row) == Some(contig) => holds(row, mine, bounds(*interval))?,
                _ => false,
            },
        });
        last = Some((text, region));
    }
    Ok(Arc::new(BooleanArray::from(found)))
}

/// Marks the rows that share a base with one of the regions; each row takes one binary search.
fn mark(rows: &Rows, regions: &[Region], found: &mut [bool]) {
    let unplaced = regions.contains(&Region::Unplaced);
    let placed = regions.iter().filter_map(|region| match region {
        Region::Placed { contig, interval } => Some((contig.as_str(), *interval)),
        Region::Unplaced => None,
    });
    let mut by_contig: HashMap<&str, Vec<(ContigId, Interval)>> = HashMap::new();
    placed.for_each(|(contig, interval)| by_contig.entry(contig).or_default().push((ContigId(0), interval)));
    let by_contig: HashMap<&str, RegionSet> =
        by_contig.into_iter().map(|(contig, list)| (contig, list.into_iter().collect())).collect();
    let by_code: Vec<Option<&[Interval]>> =
        rows.names.iter().map(|name| by_contig.get(name?).map(|set| set.intervals(ContigId(0)))).collect();
    for (row, (code, found)) in rows.codes.iter().zip(found).enumerate() {
        let Some(code) = *code else {
            *found |= unplaced;
            continue;
        };
        let Some(Some(intervals)) = by_code.get(code) else { continue };
        let Some((start, end)) = rows.interval(row) else { continue };
        let first = intervals.partition_point(|interval| bounds(*interval).1 <= start);
        *found |= intervals.get(first).is_some_and(|interval| bounds(*interval).0 < end);
    }
}

fn bounds(interval: Interval) -> (i64, i64) {
    let clamp = |position: u64| i64::try_from(position).unwrap_or(i64::MAX);
    (clamp(interval.start()), clamp(interval.end()))
}

fn region(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let rows = Rows::new(arguments)?;
    let text = |row: usize| {
        let contig = rows.codes.get(row).copied().flatten().map(|code| rows.names.value(code))?;
        let (start, end) = rows.interval(row)?;
        let first = start.saturating_add(1);
        Some(if contig.contains(':') {
            format!("{{{contig}}}:{first}-{end}")
        } else {
            format!("{contig}:{first}-{end}")
        })
    };
    Ok(Arc::new((0..arguments.rows).map(text).collect::<StringArray>()))
}

fn overlap_bp(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let shared = |a: (i64, i64), b: (i64, i64)| a.1.min(b.1).saturating_sub(a.0.max(b.0)).max(0);
    let (chroms, starts, ends) = (arguments.text(0)?, arguments.integers(1)?, arguments.integers(2)?);
    let row = |row: usize| {
        let valid = chroms.is_valid(row) && starts.is_valid(row) && ends.is_valid(row);
        valid.then(|| (chroms.value(row), (starts.value(row), ends.value(row))))
    };
    let mut counts = Vec::with_capacity(arguments.rows);
    if arguments.count() == 4 {
        for (index, text) in arguments.text(3)?.iter().enumerate() {
            let region = text.map(parse_region).transpose()?;
            counts.push(row(index).zip(region).map(|((chrom, mine), region)| match region {
                Region::Placed { contig, interval } if contig == chrom => shared(mine, bounds(interval)),
                _ => 0,
            }));
        }
    } else {
        let (others, other_starts, other_ends) =
            (arguments.text(3)?, arguments.integers(4)?, arguments.integers(5)?);
        for index in 0..arguments.rows {
            let valid = others.is_valid(index) && other_starts.is_valid(index) && other_ends.is_valid(index);
            let other =
                valid.then(|| (others.value(index), (other_starts.value(index), other_ends.value(index))));
            counts.push(row(index).zip(other).map(|(a, b)| if a.0 == b.0 { shared(a.1, b.1) } else { 0 }));
        }
    }
    Ok(Arc::new(Int64Array::from(counts)))
}

fn bin(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let widths = arguments.integers(1)?;
    if widths.iter().flatten().any(|width| width <= 0) {
        return exec_err!("a bin has at least one base");
    }
    let positions = arguments.array(0)?;
    let bins = arrow::compute::binary::<_, _, _, Int64Type>(
        positions.as_primitive::<Int64Type>(),
        &widths,
        |position, width| position.div_euclid(width.max(1)).saturating_mul(width),
    )?;
    Ok(Arc::new(bins))
}
