//! `\pset`: how results are written.

use genomdb_server::{grammar::suggest, output::Format};

use super::meta;
use crate::printer::{Expanded, Style};

/// What can be changed.
const OPTIONS: [&str; 6] = ["expanded", "format", "maxrows", "maxwidth", "pager", "timing"];

/// Changes an option, and returns what is said of it.
///
/// # Errors
///
/// In words, if there is none of that name, or it does not take the value.
pub(super) fn change(
    style: &mut Style,
    timing: &mut bool,
    name: &str,
    value: Option<&str>,
) -> Result<String, String> {
    match (name, value) {
        ("format", Some(value)) => style.format = Some(value.parse::<Format>()?),
        ("expanded", Some(value)) => style.expanded = meta::expanded(value)?,
        ("expanded", None) => {
            style.expanded = if style.expanded == Expanded::On { Expanded::Off } else { Expanded::On };
        }
        ("maxrows", Some(value)) => style.rows_max = number(value)?,
        ("maxwidth", Some(value)) => style.width_max = number(value)?,
        ("pager", value) => style.has_pager = value.map_or(Ok(!style.has_pager), meta::switch)?,
        ("timing", value) => *timing = value.map_or(Ok(!*timing), meta::switch)?,
        ("format" | "maxrows" | "maxwidth", None) => {}
        _ => {
            return Err(match suggest(name, OPTIONS) {
                Some(near) => format!("there is no option `{name}`; did you mean `{near}`?"),
                None => format!("there is no option `{name}`; there are {}", OPTIONS.join(", ")),
            });
        }
    }
    Ok(show(style, *timing, name))
}

/// All options with their values.
pub(super) fn show_all(style: &Style, timing: bool) -> String {
    OPTIONS.map(|name| show(style, timing, name)).join("\n")
}

fn show(style: &Style, timing: bool, name: &str) -> String {
    let on = |is_on: bool| if is_on { "on" } else { "off" }.to_owned();
    let count = |most: Option<usize>, none: &str| most.map_or(none.to_owned(), |most| most.to_string());
    let value = match name {
        "format" => style.format.map_or("table on a terminal, tsv elsewhere", Format::name).to_owned(),
        "expanded" => match style.expanded {
            Expanded::Auto => "auto".to_owned(),
            expanded => on(expanded == Expanded::On),
        },
        "maxrows" => count(style.rows_max, "0 (all)"),
        "maxwidth" => count(style.width_max, "0 (the terminal's)"),
        "pager" => on(style.has_pager),
        _ => on(timing),
    };
    format!("{name:<9} {value}")
}

/// A number, of which 0 stands for no limit.
fn number(value: &str) -> Result<Option<usize>, String> {
    let number: usize = value.parse().map_err(|_| format!("`{value}` is no number"))?;
    Ok((number > 0).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_change_and_say_so() {
        let (mut style, mut timing) = (Style::default(), true);
        let mut change = |name: &str, value: Option<&str>| change(&mut style, &mut timing, name, value);
        assert_eq!(change("maxrows", Some("7")).unwrap(), "maxrows   7");
        assert_eq!(change("maxrows", Some("0")).unwrap(), "maxrows   0 (all)");
        assert_eq!(change("format", Some("csv")).unwrap(), "format    csv");
        assert_eq!(change("expanded", None).unwrap(), "expanded  on");
        assert_eq!(change("expanded", Some("auto")).unwrap(), "expanded  auto");
        assert_eq!(change("timing", None).unwrap(), "timing    off");
        assert_eq!(change("pager", Some("on")).unwrap(), "pager     on");
        assert!(change("maxrow", Some("1")).unwrap_err().contains("did you mean `maxrows`?"));
        assert!(change("maxrows", Some("x")).is_err() && change("pager", Some("x")).is_err());
        assert_eq!(show_all(&style, timing).lines().count(), OPTIONS.len());
    }
}
