//! Whether a file's contigs agree with its table's, and which number each gets there.

use std::collections::HashMap;

use genomdb_genome::Contigs;
use genomdb_layout::catalog::{ContigConflict, MergedContigs, merge_contigs};

/// A file's contigs contradict its table's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContigMismatch {
    /// A contig of both is another one, or stands elsewhere.
    #[error(transparent)]
    Conflict(#[from] ContigConflict),
    /// The same contig under two names, as `chr1` and `1`.
    #[error("the file calls `{file}` what the table calls `{table}`")]
    Spelling {
        /// The name in the file.
        file: String,
        /// The name in the table.
        table: String,
    },
    /// No contig in common.
    #[error(
        "the file and the table have no contig in common; the file's first is `{file}`, the table's `{table}`"
    )]
    Disjoint {
        /// The first contig of the file.
        file: String,
        /// The first contig of the table.
        table: String,
    },
}

/// Finds each contig of a file in its table's dictionary, or adds it there.
///
/// A file may know fewer contigs, or others on top. Without any contig in the table, the file's become the
/// table's.
pub(crate) fn reconcile(table: &Contigs, file: &Contigs) -> Result<MergedContigs, ContigMismatch> {
    let merged = merge_contigs(table, file)?;
    if let (Some(first), Some(known)) = (file.iter().next(), table.iter().next()) {
        check_spelling(table, file)?;
        if !file.iter().any(|contig| table.id(&contig.name).is_some()) {
            let (file, table) = (first.name.to_string(), known.name.to_string());
            return Err(ContigMismatch::Disjoint { file, table });
        }
    }
    Ok(merged)
}

/// Refuses a new contig that is a known one under its other common name, unless the file has both.
fn check_spelling(table: &Contigs, file: &Contigs) -> Result<(), ContigMismatch> {
    let spellings: HashMap<String, _> =
        table.iter().map(|contig| (spelling(&contig.name), &contig.name)).collect();
    for contig in file.iter().filter(|contig| table.id(&contig.name).is_none()) {
        let Some(known) = spellings.get(&spelling(&contig.name)) else { continue };
        if file.id(known).is_none() {
            let (file, table) = (contig.name.to_string(), known.to_string());
            return Err(ContigMismatch::Spelling { file, table });
        }
    }
    Ok(())
}

/// What UCSC's and Ensembl's names of a chromosome have in common.
fn spelling(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let bare = name.strip_prefix("chr").filter(|rest| !rest.is_empty()).unwrap_or(&name);
    if bare == "mt" { "m".to_owned() } else { bare.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use genomdb_genome::{Contig, ContigId};

    fn contigs(text: &str) -> Contigs {
        let contig = |text: &str| {
            let (name, length) = text.split_once(':').unwrap();
            Contig { name: name.into(), length: length.parse().ok(), md5: None }
        };
        Contigs::new(text.split_whitespace().map(contig)).unwrap()
    }

    fn check(table: &str, file: &str, expected: Result<(&str, &[u32]), &str>) {
        let found = reconcile(&contigs(table), &contigs(file));
        match (found, expected) {
            (Ok(found), Ok((table, numbers))) => {
                assert_eq!(found.contigs, contigs(table));
                assert_eq!(found.ids, numbers.iter().copied().map(ContigId).collect::<Vec<_>>());
            }
            (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
            (found, expected) => panic!("{table} + {file}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn agrees_extends_or_contradicts() {
        check("", "1:5 2:7", Ok(("1:5 2:7", &[0, 1])));
        check("1:5 2:7", "", Ok(("1:5 2:7", &[])));
        check("1:5 2:7", "2:7", Ok(("1:5 2:7", &[1])));
        check("1:5 2:7", "3:9 1:5 4:1", Ok(("1:5 2:7 3:9 4:1", &[2, 0, 3])));
        check("1:5 2:7", "2:8", Err("contig `2` has 8 bases in the file and 7 in the table"));
        check("1:5 MT:7", "chr1:5 MT:7", Err("the file calls `chr1` what the table calls `1`"));
        check("1:5 chrM:7", "1:5 MT:7", Err("the file calls `MT` what the table calls `chrM`"));
        check("1:5", "1:5 chr1:6", Ok(("1:5 chr1:6", &[0, 1])));
        check(
            "1:5",
            "xx:5",
            Err("the file and the table have no contig in common; the file's first is `xx`, the table's `1`"),
        );
    }
}
