//! Functions of CIGAR text (SAM v1 § 1.4.6).

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array},
    datatypes::DataType,
};
use datafusion::common::{Result, exec_err};

use super::{Arguments, Function, Parameter};

macro_rules! bases {
    ($name:literal, $aliases:expr, $purpose:literal, $call:literal, $value:literal, $sum:expr) => {
        Function {
            name: $name,
            aliases: $aliases,
            forms: &[&[Parameter::Cigar]],
            variadic: false,
            returns: DataType::Int64,
            purpose: $purpose,
            example: ($call, $value),
            evaluate: |arguments| each(arguments, $sum),
        }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    bases!(
        "cigar_query_length",
        &[],
        "Counts the bases of SEQ: M, I, S, = and X.",
        "cigar_query_length('5S10M2I3D')",
        "17",
        |text| total(text, b"MIS=X")
    ),
    bases!(
        "cigar_reference_length",
        &[],
        "Counts the bases of the reference that are spanned: M, D, N, = and X.",
        "cigar_reference_length('5S10M2I3D')",
        "13",
        |text| total(text, b"MDN=X")
    ),
    bases!(
        "cigar_aligned_length",
        &[],
        "Counts the bases that are aligned: M, = and X.",
        "cigar_aligned_length('5S10M2I3D')",
        "10",
        |text| total(text, b"M=X")
    ),
    bases!(
        "cigar_soft_clip",
        &[],
        "Counts the soft-clipped bases at both ends.",
        "cigar_soft_clip('5S10M2S')",
        "7",
        |text| total(text, b"S")
    ),
    bases!(
        "cigar_soft_clip_left",
        &[],
        "Counts the soft-clipped bases before the first aligned one.",
        "cigar_soft_clip_left('1H5S10M2S')",
        "5",
        |text| Ok(clips(text, b'S')?.0)
    ),
    bases!(
        "cigar_soft_clip_right",
        &[],
        "Counts the soft-clipped bases after the last aligned one.",
        "cigar_soft_clip_right('5S10M2S')",
        "2",
        |text| Ok(clips(text, b'S')?.1)
    ),
    bases!(
        "cigar_hard_clip",
        &[],
        "Counts the hard-clipped bases at both ends.",
        "cigar_hard_clip('3H10M')",
        "3",
        |text| total(text, b"H")
    ),
    bases!(
        "cigar_insertions",
        &[],
        "Counts the inserted bases.",
        "cigar_insertions('5M2I5M1I5M')",
        "3",
        |text| total(text, b"I")
    ),
    bases!("cigar_deletions", &[], "Counts the deleted bases.", "cigar_deletions('5M2D5M')", "2", |text| {
        total(text, b"D")
    }),
    bases!(
        "cigar_operations",
        &[],
        "Counts the operations (samtools ncigar).",
        "cigar_operations('5S10M2I3D')",
        "4",
        |text| operations(text).try_fold(0, |count, operation| operation.map(|_| count + 1))
    ),
    Function {
        name: "cigar_has",
        aliases: &[],
        forms: &[&[Parameter::Cigar, Parameter::Letters]],
        variadic: false,
        returns: DataType::Boolean,
        purpose: "Tells whether one of the operations, given by their letters, occurs.",
        example: ("cigar_has('55M13394N21M', 'N')", "true"),
        evaluate: |arguments| {
            let (cigars, letters) = (arguments.text(0)?, arguments.text(1)?);
            let mut found = Vec::with_capacity(arguments.rows);
            for (cigar, letters) in cigars.iter().zip(letters.iter()) {
                found.push(match cigar.zip(letters) {
                    Some((cigar, letters)) => Some(has(cigar, letters.as_bytes())?),
                    None => None,
                });
            }
            Ok(Arc::new(BooleanArray::from(found)))
        },
    },
];

fn each(arguments: &Arguments<'_>, value: impl Fn(&str) -> Result<i64>) -> Result<ArrayRef> {
    let cigars = arguments.text(0)?;
    let values = cigars.iter().map(|cigar| cigar.map(&value).transpose());
    Ok(Arc::new(values.collect::<Result<Int64Array>>()?))
}

fn total(text: &str, letters: &[u8]) -> Result<i64> {
    operations(text).try_fold(0, |sum, operation| {
        let (length, letter) = operation?;
        Ok(if letters.contains(&letter) { sum + length } else { sum })
    })
}

fn has(text: &str, letters: &[u8]) -> Result<bool> {
    operations(text).try_fold(false, |found, operation| Ok(found || letters.contains(&operation?.1)))
}

/// Sums the clips of one kind on either side; hard clips lie outside soft ones.
fn clips(text: &str, kind: u8) -> Result<(i64, i64)> {
    let (mut left, mut right, mut inside) = (0, 0, false);
    for operation in operations(text) {
        let (length, letter) = operation?;
        if letter == kind {
            *(if inside { &mut right } else { &mut left }) += length;
        } else if !matches!(letter, b'S' | b'H') {
            inside = true;
        }
    }
    Ok((left, right))
}

/// Walks over the operations of CIGAR text: length and letter; `*` has none.
fn operations(text: &str) -> impl Iterator<Item = Result<(i64, u8)>> {
    let mut rest = if text == "*" { &[] } else { text.as_bytes() };
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, tail) = rest.split_at_checked(digits)?;
        let number = number
            .iter()
            .fold(0_i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
        let operation = tail.split_first().filter(|(letter, _)| digits > 0 && b"MIDNSHP=X".contains(letter));
        rest = operation.map_or(&[], |(_, tail)| tail);
        // BAM has 28 bits for a length; longer ones only come from text that a query made up.
        Some(match operation {
            Some((&letter, _)) if number < 1 << 28 => Ok((number, letter)),
            _ => exec_err!("`{text}` is not a CIGAR"),
        })
    })
}
