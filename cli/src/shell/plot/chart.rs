//! What is drawn: numbers taken from a result, in bins, bars or along positions. No drawing yet.

use arrow::{
    array::{ArrayRef, AsArray as _, RecordBatch},
    compute::cast,
    datatypes::{DataType, Float64Type, SchemaRef},
};

use crate::shell::meta::{PlotRequest, Shape};

/// Bins of a histogram of numbers that are not few whole ones.
const BINS: usize = 30;
/// So many different whole numbers get a bin each.
const WHOLE_BINS_MAX: f64 = 64.0;
/// Bars that are drawn.
const BARS_MAX: usize = 60;
/// Names of columns that are positions, the best first.
const POSITIONS: [&str; 3] = ["pos", "position", "start"];

/// A drawing.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: String,
    pub(super) y: String,
    pub(super) data: Data,
}

/// What it shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Data {
    /// Numbers in bins, in order.
    Histogram(Vec<Bin>),
    /// A number for each label, and how many were left out.
    Bars(Vec<(String, f64)>, usize),
    /// Heights over stretches of positions, in order: each from its position up to that of the next. The
    /// last is where it ends.
    Track(Vec<(f64, f64)>),
}

/// How many numbers lie from `from` on, before `to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bin {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) count: u64,
}

impl Chart {
    pub(super) fn new(
        schema: &SchemaRef,
        batches: &[RecordBatch],
        request: &PlotRequest,
    ) -> Result<Self, String> {
        let result = Columns { schema, batches };
        match request.shape {
            Shape::Histogram => histogram(&result, &request.columns),
            Shape::Bars => bars(&result, &request.columns),
            Shape::Track => track(&result, &request.columns),
        }
    }
}

/// The columns of a result.
struct Columns<'r> {
    schema: &'r SchemaRef,
    batches: &'r [RecordBatch],
}

impl Columns<'_> {
    /// The number of the column of that name; `tags.NM` is a tag.
    fn find(&self, name: &str) -> Result<String, String> {
        let names = || self.schema.fields().iter().map(|field| field.name().as_str());
        let exact = names().find(|known| *known == name);
        let found = exact.or_else(|| names().find(|known| known.eq_ignore_ascii_case(name)));
        found.map(str::to_owned).ok_or_else(|| {
            let all: Vec<_> = names().collect();
            format!("the result has no column `{name}`; it has {}", all.join(", "))
        })
    }

    fn is_number(&self, name: &str) -> bool {
        self.schema.field_with_name(name).is_ok_and(|field| field.data_type().is_numeric())
    }

    fn numeric(&self) -> impl Iterator<Item = &str> {
        let fields = self.schema.fields().iter().filter(|field| field.data_type().is_numeric());
        fields.map(|field| field.name().as_str())
    }

    /// A column as arrays of one type.
    fn cast(&self, name: &str, data_type: &DataType) -> Result<Vec<ArrayRef>, String> {
        let columns = self.batches.iter().filter_map(|batch| batch.column_by_name(name));
        let arrays = columns.map(|column| cast(column, data_type));
        arrays.collect::<Result<_, _>>().map_err(|error| format!("column `{name}` cannot be drawn: {error}"))
    }

    /// The numbers of a column, missing ones too.
    fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>, String> {
        if !self.is_number(name) {
            return Err(format!("column `{name}` has no numbers"));
        }
        let arrays = self.cast(name, &DataType::Float64)?;
        Ok(arrays
            .iter()
            .flat_map(|array| array.as_primitive::<Float64Type>().iter())
            .map(|number| number.filter(|number| number.is_finite()))
            .collect())
    }

    fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let arrays = self.cast(name, &DataType::Utf8)?;
        Ok(arrays
            .iter()
            .flat_map(|array| array.as_string::<i32>().iter())
            .map(|text| text.unwrap_or("NULL").to_owned())
            .collect())
    }
}

fn histogram(result: &Columns<'_>, columns: &[String]) -> Result<Chart, String> {
    let column = match columns.first() {
        Some(name) => result.find(name)?,
        None => result.numeric().next().ok_or("the result has no column of numbers")?.to_owned(),
    };
    let all = result.numbers(&column)?;
    let numbers: Vec<f64> = all.iter().flatten().copied().collect();
    let missing = all.len() - numbers.len();
    let bins = bins(&numbers).ok_or_else(|| format!("column `{column}` has no numbers in this result"))?;
    let without = if missing > 0 { format!(", {missing} without a number") } else { String::new() };
    let title = format!("{column}: {} rows{without}", all.len());
    Ok(Chart { title, x: column, y: "rows".to_owned(), data: Data::Histogram(bins) })
}

/// Sorts numbers into bins of one width: a bin for each whole number if there are few of them.
fn bins(numbers: &[f64]) -> Option<Vec<Bin>> {
    let least = numbers.iter().copied().reduce(f64::min)?;
    let most = numbers.iter().copied().reduce(f64::max)?;
    let are_whole = numbers.iter().all(|number| number.fract() == 0.0);
    let range = most - least;
    let (begin, width, count) = if are_whole && range < WHOLE_BINS_MAX {
        (least, 1.0, range as usize + 1)
    } else if range == 0.0 {
        (least, 1.0, 1)
    } else {
        let width = round_up(range / BINS as f64, are_whole);
        let begin = (least / width).floor() * width;
        (begin, width, ((most - begin) / width).floor() as usize + 1)
    };
    let mut bins: Vec<Bin> = (0..count)
        .map(|index| {
            let from = begin + index as f64 * width;
            Bin { from, to: from + width, count: 0 }
        })
        .collect();
    for number in numbers {
        let index = ((number - begin) / width).floor().clamp(0.0, (count - 1) as f64) as usize;
        if let Some(bin) = bins.get_mut(index) {
            bin.count += 1;
        }
    }
    Some(bins)
}

/// The next 1, 2 or 5 times a power of ten.
fn round_up(width: f64, is_whole: bool) -> f64 {
    let power = 10_f64.powf(width.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= width);
    let step = step.unwrap_or(width);
    if is_whole { step.max(1.0) } else { step }
}

fn bars(result: &Columns<'_>, columns: &[String]) -> Result<Chart, String> {
    let (label, number) = match columns {
        [label, number, ..] => (result.find(label)?, result.find(number)?),
        _ => {
            let number = result.numeric().last().ok_or("the result has no column of numbers")?.to_owned();
            let mut labels =
                result.schema.fields().iter().map(|field| field.name()).filter(|name| **name != number);
            (labels.next().ok_or("the result has no column of labels beside its numbers")?.clone(), number)
        }
    };
    let labels = result.texts(&label)?;
    let numbers = result.numbers(&number)?;
    let mut bars: Vec<_> =
        labels.into_iter().zip(numbers.into_iter().map(Option::unwrap_or_default)).collect();
    if bars.is_empty() {
        return Err("the result has no rows".to_owned());
    }
    if bars.iter().any(|(_, number)| *number < 0.0) {
        return Err(format!("column `{number}` has numbers below zero, which have no bars"));
    }
    let left_out = bars.len().saturating_sub(BARS_MAX);
    bars.truncate(BARS_MAX);
    Ok(Chart { title: format!("{number} by {label}"), x: label, y: number, data: Data::Bars(bars, left_out) })
}

fn track(result: &Columns<'_>, columns: &[String]) -> Result<Chart, String> {
    one_contig(result)?;
    let has = |name: &str| result.is_number(name);
    let (first, second) = match columns {
        [first, second, ..] => (result.find(first)?, result.find(second)?),
        [first] => {
            let first = result.find(first)?;
            let second = result.numeric().find(|name| *name != first);
            let second = second.ok_or("a track needs a position and a number")?.to_owned();
            (first, second)
        }
        [] if has("start") && has("end") => ("start".to_owned(), "end".to_owned()),
        [] => {
            let position = POSITIONS.into_iter().find(|name| has(name)).or_else(|| result.numeric().next());
            let position = position.ok_or("a track needs a position and a number")?;
            let number = result.numeric().find(|name| *name != position);
            (position.to_owned(), number.ok_or("a track needs a position and a number")?.to_owned())
        }
    };
    let pairs = result.numbers(&first)?.into_iter().zip(result.numbers(&second)?);
    let pairs: Vec<(f64, f64)> = pairs.filter_map(|(first, second)| Some((first?, second?))).collect();
    let (y, steps) = match second.eq_ignore_ascii_case("end") {
        true => ("depth".to_owned(), depth(pairs)),
        false => (second.clone(), heights(pairs)),
    };
    if steps.len() < 2 {
        return Err("there are no positions to draw".to_owned());
    }
    Ok(Chart { title: format!("{y} along {first}"), x: first, y, data: Data::Track(steps) })
}

/// Positions of several contigs in one row would be drawn over each other.
fn one_contig(result: &Columns<'_>) -> Result<(), String> {
    if result.schema.field_with_name("chrom").is_err() {
        return Ok(());
    }
    let mut contigs = result.texts("chrom")?;
    contigs.sort();
    contigs.dedup();
    match contigs.as_slice() {
        [] | [_] => Ok(()),
        [first, second, ..] => {
            Err(format!("there are positions of several contigs ({first}, {second}); choose one"))
        }
    }
}

/// How many of the half-open intervals lie over each stretch.
fn depth(intervals: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let intervals = intervals.into_iter().filter(|(start, end)| start < end);
    let mut events: Vec<(f64, f64)> =
        intervals.flat_map(|(start, end)| [(start, 1.0), (end, -1.0)]).collect();
    events.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut steps: Vec<(f64, f64)> = Vec::new();
    let mut height = 0.0;
    for (position, change) in events {
        height += change;
        match steps.last_mut() {
            Some(last) if last.0 == position => last.1 = height,
            _ => steps.push((position, height)),
        }
    }
    steps
}

/// Heights at positions, in order; the last stretch is one position long.
fn heights(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    if let Some((last, _)) = points.last() {
        points.push((last + 1.0, 0.0));
    }
    points
}

/// The mean height over each of `count` stretches of one length.
pub(super) fn means(steps: &[(f64, f64)], count: usize) -> Vec<f64> {
    let (Some((begin, _)), Some((end, _))) = (steps.first(), steps.last()) else { return Vec::new() };
    if count == 0 || begin >= end {
        return Vec::new();
    }
    let width = (end - begin) / count as f64;
    let mut sums = vec![0.0; count];
    let place = |position: f64| ((position - begin) / width).floor().clamp(0.0, (count - 1) as f64) as usize;
    for pair in steps.windows(2) {
        let [(from, height), (to, _)] = pair else { continue };
        // Where rounding puts an edge into the stretch beside its own, nothing of it lies there.
        for index in place(*from)..=place(*to) {
            let left = begin + index as f64 * width;
            let overlap = to.min(left + width) - from.max(left);
            if let Some(sum) = sums.get_mut(index) {
                *sum += height * overlap.max(0.0);
            }
        }
    }
    sums.iter().map(|sum| sum / width).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn chart(columns: &[(&str, ArrayRef)], shape: Shape, named: &[&str]) -> Result<Chart, String> {
        let batch = RecordBatch::try_from_iter(columns.iter().cloned()).unwrap();
        let named = named.iter().map(|name| (*name).to_owned()).collect();
        Chart::new(&batch.schema(), &[batch], &PlotRequest { shape, columns: named, file: None })
    }

    fn numbers(numbers: &[i64]) -> ArrayRef {
        Arc::new(Int64Array::from(numbers.to_vec()))
    }

    #[test]
    fn few_whole_numbers_get_a_bin_each() {
        let mapq: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(2), Some(2), None]));
        let chart = chart(&[("mapq", mapq)], Shape::Histogram, &["MAPQ"]).unwrap();
        let bin = |from, count| Bin { from, to: from + 1.0, count };
        assert_eq!(chart.data, Data::Histogram(vec![bin(0.0, 1), bin(1.0, 0), bin(2.0, 2)]));
        assert_eq!(chart.title, "mapq: 4 rows, 1 without a number");
    }

    #[test]
    fn many_numbers_share_bins_of_a_round_width() {
        let numbers: Vec<f64> = (0..1000).map(f64::from).collect();
        let bins = bins(&numbers).unwrap();
        assert_eq!((bins.len(), bins[0].to, bins[0].count), (20, 50.0, 50));
        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 1000);
        assert_eq!(super::bins(&[0.5]).map(|bins| bins.len()), Some(1));
        assert_eq!(super::bins(&[]), None);
        let tiny = super::bins(&[1e-9, 2e-9, 1.0]).unwrap();
        assert_eq!(tiny.iter().map(|bin| bin.count).sum::<u64>(), 3);
    }

    #[test]
    fn bars_of_labels() {
        let labels: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None]));
        let all = [("chrom", labels), ("n", numbers(&[3, 5]))];
        let bars = chart(&all, Shape::Bars, &[]).unwrap();
        assert_eq!(bars.data, Data::Bars(vec![("a".to_owned(), 3.0), ("NULL".to_owned(), 5.0)], 0));
        assert!(chart(&all, Shape::Bars, &["n", "chrom"]).unwrap_err().contains("no numbers"));
        assert!(chart(&all, Shape::Bars, &["chrom", "m"]).unwrap_err().contains("it has chrom, n"));
        assert!(chart(&[("n", numbers(&[1]))], Shape::Bars, &[]).is_err());
    }

    #[test]
    fn depth_of_intervals() {
        let all = [("start", numbers(&[10, 12, 12])), ("end", numbers(&[20, 15, 12]))];
        let track = chart(&all, Shape::Track, &[]).unwrap();
        assert_eq!(track.data, Data::Track(vec![(10.0, 1.0), (12.0, 2.0), (15.0, 1.0), (20.0, 0.0)]));
        assert_eq!(means(&[(10.0, 1.0), (12.0, 2.0), (15.0, 1.0), (20.0, 0.0)], 2), [1.6, 1.0]);
        let level = means(&[(100.0, 3.0), (200.0, 3.0), (501.0, 0.0)], 37);
        assert!(level.len() == 37 && level.iter().all(|mean| (mean - 3.0).abs() < 1e-9), "{level:?}");
        let points = [("pos", numbers(&[5, 3])), ("depth", numbers(&[1, 4]))];
        let track = chart(&points, Shape::Track, &[]).unwrap();
        assert_eq!(track.data, Data::Track(vec![(3.0, 4.0), (5.0, 1.0), (6.0, 0.0)]));
        let contigs: ArrayRef = Arc::new(StringArray::from(vec!["1", "2"]));
        let two = [("chrom", contigs), ("pos", numbers(&[5, 3])), ("depth", numbers(&[1, 4]))];
        assert!(chart(&two, Shape::Track, &[]).unwrap_err().contains("several contigs"));
    }
}
