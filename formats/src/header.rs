//! The header of an alignment file: its text, and what the reader must know of it (SAM v1 § 1.3).

mod line;

use std::{collections::HashMap, sync::Arc};

use genomdb_genome::{Contig, Contigs};

use crate::FormatError;

use line::{Kind, Line};

/// The header of an alignment file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The text as `samtools view -H --no-PG` prints it: the file's own lines, each ended by `\n`.
    ///
    /// A BAM whose text has no `@SQ` line gets one for each of its binary reference sequences.
    pub text: Vec<u8>,
    /// The `@SQ` lines, in order.
    pub contigs: Contigs,
    /// The `@RG` lines, in order.
    pub read_groups: Vec<ReadGroup>,
}

/// An `@RG` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadGroup {
    /// `ID`.
    pub id: String,
    /// `SM`, the sample.
    pub sample: Option<String>,
}

impl Header {
    /// Reads the text of a header; every line must be well formed.
    ///
    /// Of a text that BAM or CRAM stores, what follows the first NUL is padding, and a last line without
    /// its `\n` gets one.
    pub(crate) fn parse(file: &Arc<str>, mut text: Vec<u8>) -> Result<Self, FormatError> {
        if let Some(length) = memchr::memchr(0, &text) {
            text.truncate(length);
        }
        if text.last().is_some_and(|&last| last != b'\n') {
            text.push(b'\n');
        }
        let mut collected = Collected::default();
        let lines = text.strip_suffix(b"\n").unwrap_or_default().split(|&byte| byte == b'\n');
        for (number, line) in (1..).zip(lines.filter(|_| !text.is_empty())) {
            let error = |reason| FormatError::Header { file: file.clone(), line: Some(number), reason };
            collected.add(number, line).map_err(error)?;
        }
        collected.check_alternative_names().map_err(|(line, reason)| FormatError::Header {
            file: file.clone(),
            line: Some(line),
            reason,
        })?;
        Ok(Self { text, contigs: collected.contigs, read_groups: collected.read_groups })
    }
}

/// What has been read of a header.
#[derive(Default)]
struct Collected {
    contigs: Contigs,
    read_groups: Vec<ReadGroup>,
    /// The line on which an `ID` of `@RG` or `@PG` first stood.
    ids: HashMap<(Kind, Vec<u8>), u64>,
    /// `AN`: an alternative name, its line, and the contig that it names.
    alternative_names: Vec<(String, u64, Arc<str>)>,
}

impl Collected {
    fn add(&mut self, number: u64, bytes: &[u8]) -> Result<(), String> {
        let line = Line::parse(bytes)?;
        match line.kind {
            Kind::File if number > 1 => return Err("@HD is not the first line".into()),
            Kind::File => line.check_file()?,
            Kind::Contig => self.add_contig(number, &line)?,
            Kind::ReadGroup => {
                self.add_id(number, &line)?;
                line.check_read_group()?;
                let (id, sample) = (line.text(b"ID")?.unwrap_or_default(), line.text(b"SM")?);
                self.read_groups.push(ReadGroup { id, sample });
            }
            Kind::Program => self.add_id(number, &line)?,
            Kind::Comment => {}
        }
        Ok(())
    }

    fn add_contig(&mut self, number: u64, line: &Line<'_>) -> Result<(), String> {
        let (name, length) = line.check_contig()?;
        let name: Arc<str> = name.into();
        let md5 = line.text(b"M5")?.map(Arc::from);
        if let Some(names) = line.text(b"AN")? {
            let names = names.split(',').map(|other| (other.to_owned(), number, name.clone()));
            self.alternative_names.extend(names);
        }
        let contig = Contig { name, length: Some(length), md5 };
        self.contigs.push(contig).map(drop).map_err(|error| format!("@SQ: {error}"))
    }

    fn add_id(&mut self, number: u64, line: &Line<'_>) -> Result<(), String> {
        let code = line.kind.code();
        let id = line.value(b"ID").ok_or_else(|| format!("{code} has no ID"))?;
        match self.ids.insert((line.kind, id.to_vec()), number) {
            Some(first) => Err(format!("ID `{}` of {code} stands on line {first} too", id.escape_ascii())),
            None => Ok(()),
        }
    }

    /// An alternative name must not be the name of another contig.
    fn check_alternative_names(&self) -> Result<(), (u64, String)> {
        let mut owners: HashMap<&str, &Arc<str>> = HashMap::new();
        for (name, line, contig) in &self.alternative_names {
            let taken_by_name = self.contigs.id(name).is_some() && **contig != **name;
            let taken_by_other = owners.insert(name, contig).is_some_and(|owner| owner != contig);
            if taken_by_name || taken_by_other {
                return Err((*line, format!("AN: `{name}` names another contig too")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(text: &str, expected: Expect) {
        let found = match Header::parse(&"x".into(), text.as_bytes().to_vec()) {
            Ok(header) => {
                let contigs: Vec<_> =
                    header.contigs.iter().map(|c| format!("{}:{:?}", c.name, c.length.unwrap())).collect();
                let groups: Vec<_> =
                    header.read_groups.iter().map(|g| format!("{}={:?}", g.id, g.sample)).collect();
                format!("{} {} {} bytes", contigs.join(","), groups.join(","), header.text.len())
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn reads_what_the_reader_needs() {
        check("", expect!["  0 bytes"]);
        check("@CO\n", expect!["  4 bytes"]);
        check("@SQ\tSN:chr1\tLN:7\tM5:0123456789abcdef0123456789abcdef", expect!["chr1:7  53 bytes"]);
        check("@RG\tID:a\tSM:s\n@RG\tID:b\n\0\0", expect![[r#" a=Some("s"),b=None 23 bytes"#]]);
        check("@SQ\tLN:99999999999\tSN:a*b,c\n", expect!["a*b,c:99999999999  28 bytes"]);
        check("@PG\tID:x\tCL:bwa -R @RG\tID:y\n", expect!["  28 bytes"]);
    }

    #[test]
    fn says_which_line_is_wrong() {
        check("\n@CO\n", expect!["x: header line 1: it is empty"]);
        check("@CO\n@HD\tVN:1.6\n", expect!["x: header line 2: @HD is not the first line"]);
        check("@XX\tID:1\n", expect!["x: header line 1: `@XX` is not @HD, @SQ, @RG, @PG or @CO"]);
        check("@HD\tVN:1.6\tSO:query\n", expect!["x: header line 1: SO: `query` is not a sort order"]);
        check(
            "@SQ\tSN:*\tLN:1\n",
            expect!["x: header line 1: SN: `*` is not a name of a reference sequence"],
        );
        check("@SQ\tSN:a\tLN:0\n", expect!["x: header line 1: LN: `0` is not a length"]);
        check("@SQ\tSN:a\n", expect!["x: header line 1: @SQ has no LN"]);
        check("@SQ\tSN:a\tLN:1\tLN:2\n", expect!["x: header line 1: LN stands twice"]);
        check(
            "@SQ\tSN:a\tLN:1\n@SQ\tSN:a\tLN:1\n",
            expect!["x: header line 2: @SQ: contig `a` is listed twice"],
        );
        check(
            "@SQ\tSN:a\tLN:1\tAN:b\n@SQ\tSN:b\tLN:1\n",
            expect!["x: header line 1: AN: `b` names another contig too"],
        );
        check("@RG\tID:a\n@RG\tID:a\n", expect!["x: header line 2: ID `a` of @RG stands on line 1 too"]);
        check("@RG\tID:1\tDT:2020-23-06\n", expect!["x: header line 1: DT: `2020-23-06` is not a date"]);
        check("@RG ID:1\n", expect!["x: header line 1: `@RG ID:1` is not @HD, @SQ, @RG, @PG or @CO"]);
        check("@RG\tID\n", expect!["x: header line 1: `ID` is not of the form TAG:VALUE"]);
    }
}
