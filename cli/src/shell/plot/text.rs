//! A chart in characters.

use unicode_width::UnicodeWidthStr as _;

use super::chart::{Chart, Data, means};

/// Lines of a track.
const TRACK_LINES: usize = 10;
/// A label is cut to this.
const LABEL_WIDTH_MAX: usize = 30;
/// A chart is no wider than this, for it says no more.
const WIDTH_MAX: usize = 100;
/// Parts of a character's width, and of its height.
const EIGHTHS: [[char; 9]; 2] =
    [[' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'], [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']];

/// Draws a chart into lines of that width.
pub(super) fn draw(chart: &Chart, width: usize) -> String {
    let width = width.clamp(40, WIDTH_MAX);
    let body = match &chart.data {
        Data::Histogram(bins) => {
            let bars = bins.iter().map(|bin| (number(bin.from), bin.count as f64));
            horizontal(&bars.collect::<Vec<_>>(), width)
        }
        Data::Bars(bars, left_out) => {
            let mut lines = horizontal(bars, width);
            if *left_out > 0 {
                lines.push_str(&format!("… {left_out} more\n"));
            }
            lines
        }
        Data::Track(steps) => track(steps, width),
    };
    format!("{}\n{}", chart.title, body.trim_end())
}

/// A bar a line, with its label before and its number behind.
fn horizontal(bars: &[(String, f64)], width: usize) -> String {
    let labels: Vec<String> =
        bars.iter().map(|(label, _)| label.chars().take(LABEL_WIDTH_MAX).collect()).collect();
    let label_width = labels.iter().map(|label| label.width()).max().unwrap_or_default();
    let most = bars.iter().map(|(_, number)| *number).fold(0.0, f64::max);
    let number_width = bars.iter().map(|(_, value)| number(*value).len()).max().unwrap_or_default();
    let room = width.saturating_sub(label_width + number_width + 4).max(8);
    let mut text = String::new();
    for ((_, value), label) in bars.iter().zip(&labels) {
        let padding = " ".repeat(label_width - label.width());
        let bar = bar(if most > 0.0 { value / most } else { 0.0 }, room);
        text.push_str(&format!("{padding}{label} │{bar} {}\n", number(*value)));
    }
    text
}

/// A bar that fills a share of the room; what is not nothing can be seen.
fn bar(share: f64, room: usize) -> String {
    let eighths = (share * room as f64 * 8.0).round() as usize;
    let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
    let [across, _] = EIGHTHS;
    let mut bar = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        bar.extend(across.get(eighths % 8));
    }
    bar
}

/// Heights along positions, the tallest as tall as the chart.
fn track(steps: &[(f64, f64)], width: usize) -> String {
    let (Some((begin, _)), Some((end, _))) = (steps.first(), steps.last()) else { return String::new() };
    let tallest = |heights: &[f64]| heights.iter().copied().fold(0.0, f64::max);
    let scale_width = number(round(tallest(&means(steps, width)))).len().max(1);
    let heights = means(steps, width - scale_width - 2);
    let most = tallest(&heights);
    let [_, up] = EIGHTHS;
    let mut text = String::new();
    for line in (0..TRACK_LINES).rev() {
        let scale = match line {
            _ if line + 1 == TRACK_LINES => number(round(most)),
            0 => "0".to_owned(),
            _ => String::new(),
        };
        let cells = heights.iter().map(|height| {
            let share = if most > 0.0 { height / most } else { 0.0 };
            let eighths = (share * (TRACK_LINES * 8) as f64).round() as usize;
            let eighths = if share > 0.0 { eighths.max(1) } else { 0 };
            let here = eighths.saturating_sub(line * 8).min(8);
            up.get(here).copied().unwrap_or(' ')
        });
        let cells: String = cells.collect();
        text.push_str(&format!("{scale:>scale_width$} │{}\n", cells.trim_end()));
    }
    let (first, last) = (number(*begin), number(*end));
    let gap = width.saturating_sub(scale_width + 2 + first.len() + last.len());
    text.push_str(&format!("{}{first}{}{last}\n", " ".repeat(scale_width + 2), " ".repeat(gap)));
    text
}

/// One place behind the point is enough for a mean.
fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A number as short as it is exact enough.
pub(super) fn number(value: f64) -> String {
    let text = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.3}") };
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::shell::plot::chart::Bin;

    fn chart(data: Data) -> Chart {
        Chart { title: "t".to_owned(), x: "x".to_owned(), y: "y".to_owned(), data }
    }

    #[test]
    fn bars() {
        let bars = vec![("a".to_owned(), 8.0), ("long".to_owned(), 1.0), ("none".to_owned(), 0.0)];
        expect![[r#"
            t
               a │███████████████████████████████ 8
            long │███▉ 1
            none │ 0
            … 3 more"#]]
        .assert_eq(&draw(&chart(Data::Bars(bars, 3)), 40));
        let bins = [(0.0, 2), (0.5, 4)].map(|(from, count)| Bin { from, to: from + 0.5, count });
        expect![[r#"
            t
              0 │████████████████ 2
            0.5 │████████████████████████████████ 4"#]]
        .assert_eq(&draw(&chart(Data::Histogram(bins.to_vec())), 40));
    }

    #[test]
    fn a_track() {
        let steps = vec![(100.0, 1.0), (200.0, 4.0), (300.0, 0.0), (400.0, 2.0), (500.0, 0.0)];
        let drawn = draw(&chart(Data::Track(steps)), 40);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), TRACK_LINES + 2);
        assert!(lines[1].starts_with("4 │") && lines[10].starts_with("0 │"), "{drawn}");
        assert!(lines[11].starts_with("   100") && lines[11].ends_with("500"), "{drawn}");
        // A quarter of the width, but for the columns at its edges, which lie over less high ones, too.
        assert_eq!(lines[1].matches('█').count(), 8, "only the tallest reaches the top: {drawn}");
    }

    #[test]
    fn numbers() {
        assert_eq!([0.0, 1.5, 1e6, 0.12345, -2.0].map(number), ["0", "1.5", "1000000", "0.123", "-2"]);
    }
}
