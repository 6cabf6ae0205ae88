//! One line of a header: its fields, and the rules for their values (SAM v1 § 1.3).
//!
//! The rules are those of the specification, except where files that every tool reads break them: each such
//! place says so.

use crate::error::printable;

/// What a line describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `@HD`
    File,
    /// `@SQ`
    Contig,
    /// `@RG`
    ReadGroup,
    /// `@PG`
    Program,
    /// `@CO`
    Comment,
}

impl Kind {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::File => "@HD",
            Self::Contig => "@SQ",
            Self::ReadGroup => "@RG",
            Self::Program => "@PG",
            Self::Comment => "@CO",
        }
    }
}

/// A line whose fields are well formed.
pub(super) struct Line<'a> {
    pub(super) kind: Kind,
    fields: Vec<(&'a [u8; 2], &'a [u8])>,
}

impl<'a> Line<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        // A BAM may hold the header of a SAM file with Windows line ends.
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let mut parts = bytes.split(|&byte| byte == b'\t');
        let code = parts.next().unwrap_or_default();
        let kind = match code {
            b"@HD" => Kind::File,
            b"@SQ" => Kind::Contig,
            b"@RG" => Kind::ReadGroup,
            b"@PG" => Kind::Program,
            b"@CO" => Kind::Comment,
            b"" => return Err("it is empty".into()),
            _ => return Err(format!("`{}` is not @HD, @SQ, @RG, @PG or @CO", printable(code))),
        };
        let mut line = Self { kind, fields: Vec::new() };
        for part in parts.take_while(|_| kind != Kind::Comment) {
            match split_field(part) {
                Some(field) => line.add(field)?,
                // A command line (CL) may hold tabs that nobody escaped.
                None if kind == Kind::Program => {}
                None => return Err(format!("`{}` is not of the form TAG:VALUE", printable(part))),
            }
        }
        Ok(line)
    }

    fn add(&mut self, (key, value): (&'a [u8; 2], &'a [u8])) -> Result<(), String> {
        let twice = self.value(key).is_some();
        if twice && self.kind != Kind::Program {
            return Err(format!("{} stands twice", printable(key)));
        }
        if !twice {
            self.fields.push((key, value));
        }
        Ok(())
    }

    /// Returns the value of a field.
    pub(super) fn value(&self, key: &[u8; 2]) -> Option<&'a [u8]> {
        self.fields.iter().find(|(other, _)| *other == key).map(|&(_, value)| value)
    }

    /// Returns the value of a field, which must be UTF-8.
    pub(super) fn text(&self, key: &[u8; 2]) -> Result<Option<String>, String> {
        let value = self.value(key).map(|value| String::from_utf8(value.to_vec()));
        value.transpose().map_err(|_| format!("{}: it is not UTF-8", printable(key)))
    }

    fn required(&self, key: &[u8; 2]) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| format!("{} has no {}", self.kind.code(), printable(key)))
    }

    fn check(&self, key: &[u8; 2], what: &str, good: impl Fn(&str) -> bool) -> Result<(), String> {
        match self.text(key)? {
            Some(value) if !good(&value) => Err(refused(&printable(key), &value, what)),
            _ => Ok(()),
        }
    }

    /// Checks the fields of an `@HD` line.
    pub(super) fn check_file(&self) -> Result<(), String> {
        self.required(b"VN")?;
        self.check(b"VN", "a version", is_version)?;
        // `sorted` is not in the specification; old sorters wrote it. The order is looked at, not believed.
        const ORDERS: [&str; 5] = ["unknown", "unsorted", "queryname", "coordinate", "sorted"];
        self.check(b"SO", "a sort order", |value| ORDERS.contains(&value))?;
        self.check(b"GO", "a grouping", |value| ["none", "query", "reference"].contains(&value))?;
        self.check(b"SS", "a sub-sorting order", is_sub_sorting)
    }

    /// Checks the fields of an `@SQ` line and returns its name and length.
    pub(super) fn check_contig(&self) -> Result<(String, u64), String> {
        let name = self.required(b"SN")?;
        if !is_contig_name(&name) {
            return Err(refused("SN", &name, "a name of a reference sequence"));
        }
        let length = self.required(b"LN")?;
        let number = length.parse().ok().filter(|length| (1..=i64::MAX as u64).contains(length));
        let number = number.ok_or_else(|| refused("LN", &length, "a length"))?;
        self.check(b"M5", "an MD5 in 32 lower-case hexadecimal digits", |value| {
            value.len() == 32 && value.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })?;
        self.check(b"TP", "`linear` or `circular`", |value| ["linear", "circular"].contains(&value))?;
        self.check(b"AH", "a locus", is_locus)?;
        self.check(b"AN", "a list of names", |value| value.split(',').all(is_contig_name))?;
        Ok((name, number))
    }

    /// Checks the fields of an `@RG` line, apart from `ID`.
    ///
    /// PL is not checked: each version of the specification adds platforms, files hold others, and nothing
    /// depends on it.
    pub(super) fn check_read_group(&self) -> Result<(), String> {
        self.check(b"PI", "an insert size", |value| {
            value.parse::<f64>().is_ok_and(f64::is_finite) && !value.contains('.')
        })?;
        self.check(b"DT", "a date", is_date)
    }
}

fn refused(key: &str, value: &str, what: &str) -> String {
    format!("{key}: `{}` is not {what}", printable(value.as_bytes()))
}

fn split_field(part: &[u8]) -> Option<(&[u8; 2], &[u8])> {
    let (key, rest) = part.split_first_chunk::<2>()?;
    let value = rest.strip_prefix(b":").filter(|value| !value.is_empty())?;
    let well_formed = key[0].is_ascii_alphabetic() && key[1].is_ascii_alphanumeric();
    (well_formed && value.iter().all(|&byte| byte >= b' ')).then_some((key, value))
}

fn is_version(value: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    value.split_once('.').is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn is_sub_sorting(value: &str) -> bool {
    let mut parts = value.split(':');
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let order = parts.next().is_some_and(|order| ["coordinate", "queryname", "unsorted"].contains(&order));
    order && value.contains(':') && parts.all(word)
}

/// The specification's rule, and the comma, which its own tests of odd names hold.
fn is_contig_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&*+./:;=?@^_|~-,".contains(&byte);
    !name.is_empty() && !name.starts_with(['*', '=']) && name.bytes().all(inner)
}

/// `*`, a name, a name with an interval, or an interval.
fn is_locus(value: &str) -> bool {
    value == "*" || is_contig_name(value)
}

/// A date that starts as ISO 8601 writes it must exist; other spellings are left alone.
fn is_date(value: &str) -> bool {
    let part = |range: std::ops::Range<usize>| value.get(range)?.parse::<u32>().ok();
    let dashes = value.as_bytes().get(4) == Some(&b'-') && value.as_bytes().get(7) == Some(&b'-');
    match (part(0..4), part(5..7), part(8..10)) {
        (Some(_), Some(month), Some(day)) if dashes => (1..=12).contains(&month) && (1..=31).contains(&day),
        _ => true,
    }
}
