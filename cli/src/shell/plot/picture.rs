//! A chart as a picture: SVG or PNG, by plotters.

use std::{cell::RefCell, path::Path, rc::Rc};

use plotters::{
    coord::Shift,
    prelude::{
        AreaSeries, ChartBuilder, Color as _, DrawingArea, DrawingAreaErrorKind, DrawingBackend,
        IntoDrawingArea as _, RGBColor, Rectangle, SVGBackend, WHITE,
    },
};

use super::{
    canvas::Canvas,
    chart::{Chart, Data, means},
    text::number,
};

/// The size of a picture in pixels.
const SIZE: (u32, u32) = (960, 540);
/// The colour of bars and tracks: one that those who see few colours see, too.
const FILL: RGBColor = RGBColor(0, 114, 178);
/// Stretches of a track: about one a pixel.
const STRETCHES: usize = 880;
/// Characters of a label below its bar.
const LABEL_MAX: usize = 12;

/// Draws a chart into a file, whose name says how.
///
/// # Errors
///
/// In words, if the name does not, or the file cannot be written.
pub(super) fn write(chart: &Chart, file: &Path) -> Result<(), String> {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let bytes = match extension.to_ascii_lowercase().as_str() {
        "svg" => svg(chart)?.into_bytes(),
        "png" => png(chart)?,
        _ => return Err("a picture is a file of .svg or .png".to_owned()),
    };
    std::fs::write(file, bytes).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

fn svg(chart: &Chart) -> Result<String, String> {
    let mut text = String::new();
    draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area(), chart)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

fn png(chart: &Chart) -> Result<Vec<u8>, String> {
    let canvas = Rc::new(RefCell::new(Canvas::new(SIZE)));
    draw(&DrawingArea::from(&canvas), chart).map_err(|error| error.to_string())?;
    canvas.borrow().to_png().map_err(|error| error.to_string())
}

/// From where to where, and how high.
type Bar = [(f64, f64); 2];

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    chart: &Chart,
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    area.fill(&WHITE)?;
    let (bars, labels): (Vec<Bar>, Option<Vec<String>>) = match &chart.data {
        Data::Histogram(bins) => {
            let bars = bins.iter().map(|bin| [(bin.from, 0.0), (bin.to, bin.count as f64)]);
            (bars.collect(), None)
        }
        Data::Bars(bars, _) => {
            let labels = bars.iter().map(|(label, _)| label.chars().take(LABEL_MAX).collect());
            let bars = bars.iter().enumerate().map(|(index, (_, height))| {
                let begin = index as f64;
                [(begin + 0.1, 0.0), (begin + 0.9, *height)]
            });
            (bars.collect(), Some(labels.collect()))
        }
        Data::Track(steps) => return draw_track(area, chart, steps),
    };
    let begin = if labels.is_some() { 0.0 } else { bars.first().map_or(0.0, |[(from, _), _]| *from) };
    let end = labels.as_ref().map(|labels| labels.len() as f64);
    let end = end.unwrap_or_else(|| bars.last().map_or(1.0, |[_, (to, _)]| *to));
    let most = bars.iter().map(|[_, (_, height)]| *height).fold(0.0, f64::max);
    let mut context = ChartBuilder::on(area)
        .caption(&chart.title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(begin..end, 0.0..top(most))?;
    let label_of = |at: &f64| match &labels {
        // Labels stand below the middle of their bars.
        Some(labels) => labels.get(at.floor().max(0.0) as usize).cloned().unwrap_or_default(),
        None => number(*at),
    };
    let count = labels.as_ref().map_or(12, |labels| labels.len().min(12) * 2);
    context
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .x_labels(count)
        .x_desc(&chart.x)
        .y_desc(&chart.y)
        .x_label_formatter(&label_of)
        .y_label_formatter(&|at| number(*at))
        .draw()?;
    context.draw_series(bars.iter().map(|corners| Rectangle::new(*corners, FILL.filled())))?;
    area.present()
}

fn draw_track<B: DrawingBackend>(
    area: &DrawingArea<B, Shift>,
    chart: &Chart,
    steps: &[(f64, f64)],
) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
    let begin = steps.first().map_or(0.0, |(at, _)| *at);
    let end = steps.last().map_or(1.0, |(at, _)| *at);
    let width = (end - begin) / STRETCHES as f64;
    let heights = means(steps, STRETCHES);
    let most = heights.iter().copied().fold(0.0, f64::max);
    // A stretch is level: it begins and ends at its height.
    let outline = heights.iter().enumerate().flat_map(|(index, height)| {
        let from = begin + index as f64 * width;
        [(from, *height), (from + width, *height)]
    });
    let mut context = ChartBuilder::on(area)
        .caption(&chart.title, ("sans-serif", 22))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(72)
        .build_cartesian_2d(begin..end, 0.0..top(most))?;
    context
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .x_labels(8)
        .x_desc(&chart.x)
        .y_desc(&chart.y)
        .x_label_formatter(&|at| number(at.round()))
        .y_label_formatter(&|at| number(*at))
        .draw()?;
    context.draw_series(AreaSeries::new(outline, 0.0, FILL.mix(0.8)).border_style(FILL))?;
    area.present()
}

/// Where the scale ends: a little above the tallest.
fn top(most: f64) -> f64 {
    if most > 0.0 { most * 1.05 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::plot::chart::Bin;

    fn charts() -> [Chart; 3] {
        let chart =
            |data| Chart { title: "mapq & <x>".to_owned(), x: "x".to_owned(), y: "y".to_owned(), data };
        let bins = vec![Bin { from: 0.0, to: 1.0, count: 3 }, Bin { from: 1.0, to: 2.0, count: 9 }];
        [
            chart(Data::Histogram(bins)),
            chart(Data::Bars(vec![("chr1".to_owned(), 2.0), ("chr2".to_owned(), 0.0)], 0)),
            chart(Data::Track(vec![(1e9, 1.0), (1e9 + 7.0, 0.0)])),
        ]
    }

    #[test]
    fn svg_is_text_with_the_title_and_the_bars() {
        for chart in charts() {
            let text = svg(&chart).unwrap();
            assert!(text.starts_with("<svg") && text.trim_end().ends_with("</svg>"), "{text}");
            assert!(text.contains("mapq &amp; &lt;x&gt;"), "{text}");
            assert!(text.contains("#0072B2"), "{text}");
        }
    }

    #[test]
    fn png_shows_bars_and_letters() {
        for chart in charts() {
            let bytes = png(&chart).unwrap();
            let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
            let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
            reader.next_frame(&mut pixels).unwrap();
            assert_eq!((reader.info().width, reader.info().height), SIZE);
            let is_blue = |pixel: &&[u8]| pixel[2] > 150 && pixel[0] < 60;
            assert!(pixels.chunks(3).filter(is_blue).count() > 1_000, "{:?}", chart.data);
            // The title stands at the top, in black.
            let title = &pixels[..SIZE.0 as usize * 3 * 40];
            assert!(title.chunks(3).filter(|pixel| pixel[0] < 80).count() > 50, "{:?}", chart.data);
        }
    }

    #[test]
    fn only_pictures() {
        let [chart, ..] = charts();
        assert!(write(&chart, Path::new("x.gif")).unwrap_err().contains(".svg or .png"));
        assert!(write(&chart, Path::new("/no/such/folder/x.svg")).unwrap_err().contains("cannot write"));
    }
}
