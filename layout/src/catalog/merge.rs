//! The contigs of a file against those of its table: what agrees is shared, what is new is appended.

use std::sync::Arc;

use genomdb_genome::{Contig, ContigId, Contigs};

/// The contigs of a table after a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedContigs {
    /// The table's contigs: the old ones with their numbers, then the new ones.
    pub contigs: Contigs,
    /// For each contig of the file, its number in the table.
    pub ids: Vec<ContigId>,
}

/// The contigs of a file contradict those of its table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContigConflict {
    /// The same name, another length.
    #[error("contig `{name}` has {source_length} bases in the file and {table_length} in the table")]
    Length {
        /// The contig.
        name: Arc<str>,
        /// Its length in the table.
        table_length: u64,
        /// Its length in the file.
        source_length: u64,
    },
    /// The same name, another sequence.
    #[error("contig `{name}` has the MD5 {source_md5} in the file and {table_md5} in the table")]
    Sequence {
        /// The contig.
        name: Arc<str>,
        /// Its MD5 in the table.
        table_md5: Arc<str>,
        /// Its MD5 in the file.
        source_md5: Arc<str>,
    },
    /// Two contigs stand the other way round.
    #[error("contig `{first}` stands before `{second}` in the file and after it in the table")]
    Order {
        /// The one that is first in the file.
        first: Arc<str>,
        /// The one that is second in the file.
        second: Arc<str>,
    },
    /// More contigs than numbers.
    #[error("the table would have too many contigs")]
    TooMany,
}

/// Merges the contigs of a file into those of its table.
///
/// A length or an MD5 that only one side knows is kept.
///
/// # Errors
///
/// If a contig of both has another length or MD5, or two contigs of both stand in another order.
pub fn merge_contigs(table: &Contigs, source: &Contigs) -> Result<MergedContigs, ContigConflict> {
    let mut list: Vec<Contig> = table.iter().cloned().collect();
    let mut ids = Vec::with_capacity(source.len());
    let mut last: Option<(ContigId, &Contig)> = None;
    for contig in source.iter() {
        let Some(id) = table.id(&contig.name) else {
            ids.push(ContigId(u32::try_from(list.len()).map_err(|_| ContigConflict::TooMany)?));
            list.push(contig.clone());
            continue;
        };
        if let Some((_, before)) = last.filter(|(before, _)| *before > id) {
            return Err(ContigConflict::Order { first: before.name.clone(), second: contig.name.clone() });
        }
        last = Some((id, contig));
        ids.push(id);
        if let Some(known) = list.get_mut(id.0 as usize) {
            merge(known, contig)?;
        }
    }
    let contigs = Contigs::new(list).map_err(|_| ContigConflict::TooMany)?;
    Ok(MergedContigs { contigs, ids })
}

fn merge(known: &mut Contig, found: &Contig) -> Result<(), ContigConflict> {
    let name = known.name.clone();
    match (known.length, found.length) {
        (Some(table_length), Some(source_length)) if table_length != source_length => {
            return Err(ContigConflict::Length { name, table_length, source_length });
        }
        (known_length, found_length) => known.length = known_length.or(found_length),
    }
    match (known.md5.clone(), found.md5.clone()) {
        (Some(table_md5), Some(source_md5)) if !table_md5.eq_ignore_ascii_case(&source_md5) => {
            return Err(ContigConflict::Sequence { name, table_md5, source_md5 });
        }
        (known_md5, found_md5) => known.md5 = known_md5.or(found_md5),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contigs(list: &[(&str, Option<u64>, Option<&str>)]) -> Contigs {
        let contig = |&(name, length, md5): &(&str, Option<u64>, Option<&str>)| Contig {
            name: name.into(),
            length,
            md5: md5.map(Into::into),
        };
        Contigs::new(list.iter().map(contig)).unwrap()
    }

    #[test]
    fn shares_what_agrees_and_appends_the_rest() {
        let table = contigs(&[("chr1", Some(100), None), ("chr3", None, Some("aa"))]);
        let source = contigs(&[
            ("chr1", Some(100), Some("bb")),
            ("chr2", Some(5), None),
            ("chr3", Some(7), Some("AA")),
        ]);
        let merged = merge_contigs(&table, &source).unwrap();
        assert_eq!(merged.ids, [ContigId(0), ContigId(2), ContigId(1)]);
        let expected = contigs(&[
            ("chr1", Some(100), Some("bb")),
            ("chr3", Some(7), Some("aa")),
            ("chr2", Some(5), None),
        ]);
        assert_eq!(merged.contigs, expected);
    }

    #[test]
    fn names_what_contradicts() {
        let table = contigs(&[("chr1", Some(100), Some("aa")), ("chr2", Some(50), None)]);
        for (source, message) in [
            (
                contigs(&[("chr1", Some(99), None)]),
                "contig `chr1` has 99 bases in the file and 100 in the table",
            ),
            (
                contigs(&[("chr1", None, Some("bb"))]),
                "contig `chr1` has the MD5 bb in the file and aa in the table",
            ),
            (
                contigs(&[("chr2", None, None), ("chrX", None, None), ("chr1", None, None)]),
                "contig `chr2` stands before `chr1` in the file and after it in the table",
            ),
        ] {
            assert_eq!(merge_contigs(&table, &source).unwrap_err().to_string(), message);
        }
    }
}
