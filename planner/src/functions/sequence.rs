//! Functions of bases, IUPAC codes included.

use std::sync::Arc;

use arrow::{
    array::{Float64Array, StringArray},
    datatypes::DataType,
};
use datafusion::common::{Result, exec_err};

use super::{Function, Parameter};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "gc_content",
        aliases: &[],
        forms: &[&[Parameter::Seq]],
        variadic: false,
        returns: DataType::Float64,
        purpose: "Returns the share of G, C and S among the bases that are not ambiguous between strong and weak; NULL where there is none.",
        example: ("gc_content('GGCAN')", "0.75"),
        evaluate: |arguments| {
            let seqs = arguments.text(0)?;
            Ok(Arc::new(seqs.iter().map(|seq| seq.and_then(gc_content)).collect::<Float64Array>()))
        },
    },
    Function {
        name: "reverse_complement",
        aliases: &["revcomp"],
        forms: &[&[Parameter::Seq]],
        variadic: false,
        returns: DataType::Utf8,
        purpose: "Returns the other strand; case and IUPAC codes are kept.",
        example: ("reverse_complement('ACCTn')", "nAGGT"),
        evaluate: |arguments| {
            let seqs = arguments.text(0)?;
            let strands = seqs.iter().map(|seq| seq.map(reverse_complement).transpose());
            Ok(Arc::new(strands.collect::<Result<StringArray>>()?))
        },
    },
];

fn gc_content(seq: &str) -> Option<f64> {
    let (mut strong, mut weak) = (0_u64, 0_u64);
    for base in seq.bytes() {
        match base.to_ascii_uppercase() {
            b'G' | b'C' | b'S' => strong += 1,
            b'A' | b'T' | b'U' | b'W' => weak += 1,
            _ => {}
        }
    }
    (strong + weak > 0).then(|| strong as f64 / (strong + weak) as f64)
}

fn reverse_complement(seq: &str) -> Result<String> {
    let mut strand = String::with_capacity(seq.len());
    for base in seq.chars().rev() {
        let Some(other) = complement(base.to_ascii_uppercase()) else {
            return exec_err!("`{base}` is no base");
        };
        strand.push(if base.is_ascii_lowercase() { other.to_ascii_lowercase() } else { other });
    }
    Ok(strand)
}

/// The complement of an IUPAC code; `=` ("as the reference") is its own.
fn complement(base: char) -> Option<char> {
    Some(match base {
        'A' => 'T',
        'C' => 'G',
        'G' => 'C',
        'T' | 'U' => 'A',
        'R' => 'Y',
        'Y' => 'R',
        'K' => 'M',
        'M' => 'K',
        'B' => 'V',
        'V' => 'B',
        'D' => 'H',
        'H' => 'D',
        'S' | 'W' | 'N' | '=' | '-' | '.' | '*' => base,
        _ => return None,
    })
}
