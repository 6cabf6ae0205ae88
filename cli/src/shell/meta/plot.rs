//! `\plot`: what of the last result is drawn, how, and where to.

use std::path::Path;

/// What is drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::shell) struct PlotRequest {
    /// How.
    pub(in crate::shell) shape: Shape,
    /// The columns, by name; the first that fit if none is named.
    pub(in crate::shell) columns: Vec<String>,
    /// A picture, instead of the terminal.
    pub(in crate::shell) file: Option<String>,
}

/// How a result is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::shell) enum Shape {
    /// How the numbers of a column are spread.
    Histogram,
    /// A number for each label.
    Bars,
    /// A number along positions.
    Track,
}

const USAGE: &str = "it is \\plot {histogram | bars | track} [COLUMN …] [FILE.svg | FILE.png]";

/// Reads the words that follow `\plot`.
pub(super) fn parse(words: Vec<String>) -> Result<PlotRequest, String> {
    let mut words = words.into_iter();
    let shape = match words.next().ok_or(USAGE)?.to_ascii_lowercase().as_str() {
        "histogram" | "hist" => Shape::Histogram,
        "bars" | "bar" => Shape::Bars,
        "track" | "coverage" => Shape::Track,
        other => return Err(format!("`{other}` cannot be drawn; {USAGE}")),
    };
    let mut columns: Vec<String> = words.collect();
    let file = columns.pop_if(|last| is_file(last));
    let most = if shape == Shape::Histogram { 1 } else { 2 };
    if columns.len() > most || (shape == Shape::Bars && columns.len() == 1) {
        return Err(USAGE.to_owned());
    }
    Ok(PlotRequest { shape, columns, file })
}

fn is_file(word: &str) -> bool {
    // A tag is a column with a dot: `tags.NM`.
    let extension = Path::new(word).extension().and_then(|extension| extension.to_str());
    word.contains('/') || extension.is_some_and(|extension| ["svg", "png"].contains(&extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_columns_and_files() {
        let read = |text: &str| parse(text.split_whitespace().map(str::to_owned).collect());
        let request = |shape, columns: &[&str], file: Option<&str>| {
            let columns = columns.iter().map(|column| (*column).to_owned()).collect();
            Ok(PlotRequest { shape, columns, file: file.map(str::to_owned) })
        };
        assert_eq!(read("histogram mapq"), request(Shape::Histogram, &["mapq"], None));
        assert_eq!(read("hist mapq a.svg"), request(Shape::Histogram, &["mapq"], Some("a.svg")));
        assert_eq!(read("bars"), request(Shape::Bars, &[], None));
        assert_eq!(read("bars chrom n x/y.png"), request(Shape::Bars, &["chrom", "n"], Some("x/y.png")));
        assert_eq!(read("coverage pos depth"), request(Shape::Track, &["pos", "depth"], None));
        for wrong in ["", "pie", "histogram a b", "bars a", "track a b c"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
