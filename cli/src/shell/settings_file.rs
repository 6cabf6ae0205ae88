//! `~/.config/genomdb/gql.toml`: the settings of flags, for those who always give the same.

use std::path::{Path, PathBuf};

use genomdb_server::output::Format;
use serde::Deserialize;

use super::meta;
use crate::{
    args::parse_duration,
    connection::Settings,
    printer::{Expanded, Style},
};

/// The file of settings. Flags win over it, and the environment, too.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SettingsFile {
    data: Option<PathBuf>,
    connect: Vec<String>,
    host: Option<String>,
    ca_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    format: Option<String>,
    expanded: Option<String>,
    maxrows: Option<usize>,
    maxwidth: Option<usize>,
    pager: Option<bool>,
    timeout: Option<String>,
    /// Whether the prompt says how long statements took.
    pub(super) timing: Option<bool>,
    /// Whether the prompt has colours.
    pub(super) color: Option<bool>,
    /// How the prompt is edited.
    pub(super) edit_mode: EditMode,
}

/// How a line is edited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum EditMode {
    /// As in emacs and bash.
    #[default]
    Emacs,
    /// As in vi.
    Vi,
}

impl SettingsFile {
    /// Reads the file that a flag names (`none` is none), or the usual one if there is one.
    ///
    /// # Errors
    ///
    /// In words, if it cannot be read, or says what it cannot say.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, String> {
        let (path, must_be) = match named {
            Some(path) if path.as_os_str() == "none" => return Ok(Self::default()),
            Some(path) => (path.to_owned(), true),
            None => match usual_path() {
                Some(path) => (path, false),
                None => return Ok(Self::default()),
            },
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_be => {
                return Ok(Self::default());
            }
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        Self::parse(&text).map_err(|reason| format!("{}: {reason}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: Self = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        // What is wrong is said now, not when it is needed.
        file.style()?;
        file.timeout()?;
        Ok(file)
    }

    /// Where the data is.
    pub(super) fn place(&self) -> Settings {
        Settings {
            data: self.data.clone(),
            connect: self.connect.clone(),
            host: self.host.clone(),
            ca_file: self.ca_file.clone(),
            token_file: self.token_file.clone(),
        }
    }

    /// How results are written.
    pub(super) fn style(&self) -> Result<Style, String> {
        let usual = Style::default();
        let format = self.format.as_deref().map(str::parse::<Format>).transpose()?;
        let expanded = self.expanded.as_deref().map(meta::expanded).transpose()?;
        Ok(Style {
            format,
            expanded: expanded.unwrap_or(Expanded::Off),
            rows_max: self.maxrows.map_or(usual.rows_max, |most| (most > 0).then_some(most)),
            width_max: self.maxwidth.filter(|&most| most > 0),
            has_pager: self.pager.unwrap_or(true),
            quiet: false,
        })
    }

    /// How long a statement may take.
    pub(super) fn timeout(&self) -> Result<Option<std::time::Duration>, String> {
        self.timeout.as_deref().map(parse_duration).transpose()
    }
}

/// `$XDG_CONFIG_HOME/genomdb/gql.toml`, or `~/.config/…`.
fn usual_path() -> Option<PathBuf> {
    let folder = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(folder.join("genomdb/gql.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_says() {
        let text = "host = 'http://a'\nformat = 'csv'\nexpanded = 'auto'\nmaxrows = 0\nmaxwidth = 100\npager = false\n\
                    timeout = '30s'\ntiming = false\ncolor = false\nedit_mode = 'vi'\n";
        let file = SettingsFile::parse(text).unwrap();
        let style = file.style().unwrap();
        assert_eq!((style.format, style.expanded), (Some(Format::Csv), Expanded::Auto));
        assert_eq!((style.rows_max, style.width_max, style.has_pager), (None, Some(100), false));
        assert_eq!(file.timeout(), Ok(Some(std::time::Duration::from_secs(30))));
        assert_eq!((file.edit_mode, file.timing, file.color), (EditMode::Vi, Some(false), Some(false)));
        assert_eq!(file.place().host.as_deref(), Some("http://a"));
        assert_eq!(SettingsFile::parse("").unwrap(), SettingsFile::default());
    }

    #[test]
    fn what_it_cannot_say() {
        for (text, expected) in [
            ("hots = 'a'", "unknown field `hots`"),
            ("format = 'gif'", "no format"),
            ("timeout = 'x'", "no unit"),
            ("edit_mode = 'nano'", "nano"),
            ("expanded = 'perhaps'", "perhaps"),
            ("maxrows = -1", "maxrows"),
            ("token = 'secret'", "unknown field `token`"),
        ] {
            let error = SettingsFile::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        assert!(SettingsFile::read(Some(Path::new("/no/such/file"))).is_err());
        assert_eq!(SettingsFile::read(Some(Path::new("none"))), Ok(SettingsFile::default()));
    }
}
