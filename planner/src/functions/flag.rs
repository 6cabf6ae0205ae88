//! Functions of FLAG (SAM v1 § 1.4.2).
//!
//! A bit that has no meaning in a record counts as not set: those of the mate in a read that is not paired,
//! and "properly paired" in an unmapped one. The strand of an unmapped read is NULL.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, StringArray},
    datatypes::{DataType, UInt16Type},
};
use datafusion::common::{Result, ScalarValue, exec_err};
use genomdb_genome::alignment::Flags;

use super::{Arguments, Function, Parameter};

/// A test of bits: true where `flag & mask` equals `value`, or, if `differs`, where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlagTest {
    /// The bits that are looked at.
    pub mask: u16,
    /// What they must be.
    pub value: u16,
    /// Whether the test is true where they are not.
    pub differs: bool,
}

impl FlagTest {
    /// Tests one FLAG.
    pub const fn holds(self, flag: u16) -> bool {
        (flag & self.mask == self.value) != self.differs
    }
}

/// Each function of FLAG alone: name, mask, value.
const TESTS: [(&str, u16, u16); 13] = [
    ("is_paired", 0x1, 0x1),
    ("is_proper_pair", 0x7, 0x3),
    ("is_unmapped", 0x4, 0x4),
    ("is_mate_unmapped", 0x9, 0x9),
    ("is_reverse", 0x10, 0x10),
    ("is_mate_reverse", 0x21, 0x21),
    ("is_read1", 0x41, 0x41),
    ("is_read2", 0x81, 0x81),
    ("is_secondary", 0x100, 0x100),
    ("is_qc_fail", 0x200, 0x200),
    ("is_duplicate", 0x400, 0x400),
    ("is_supplementary", 0x800, 0x800),
    ("is_primary", 0x900, 0),
];

/// Returns the test that a call of `name` makes; `flags` is its second argument where it takes one.
///
/// `None` for another function, or where the argument names no flags.
pub fn flag_test(name: &str, flags: Option<&ScalarValue>) -> Option<FlagTest> {
    if let Some(&(_, mask, value)) = TESTS.iter().find(|(test, ..)| *test == name) {
        return Some(FlagTest { mask, value, differs: false });
    }
    let mask = parse_flags(flags?).ok().flatten()?;
    match name {
        "flags_all" => Some(FlagTest { mask, value: mask, differs: false }),
        "flags_none" => Some(FlagTest { mask, value: 0, differs: false }),
        "flags_any" => Some(FlagTest { mask, value: 0, differs: true }),
        _ => None,
    }
}

macro_rules! bit {
    ($name:literal, $aliases:expr, $purpose:literal, $call:literal, $value:literal) => {
        Function {
            name: $name,
            aliases: $aliases,
            forms: &[&[Parameter::Flag]],
            variadic: false,
            returns: DataType::Boolean,
            purpose: $purpose,
            example: ($call, $value),
            evaluate: |arguments| constant_test(arguments, flag_test($name, None)),
        }
    };
}

macro_rules! mask {
    ($name:literal, $purpose:literal, $call:literal, $value:literal) => {
        Function {
            name: $name,
            aliases: &[],
            forms: &[&[Parameter::Flag, Parameter::Flags]],
            variadic: false,
            returns: DataType::Boolean,
            purpose: $purpose,
            example: ($call, $value),
            evaluate: |arguments| masked_test(arguments, $name),
        }
    };
}

pub(super) const FUNCTIONS: &[Function] = &[
    mask!(
        "flags_all",
        "Tells whether all of the flags are set (samtools view -f).",
        "flags_all(99, 'paired,proper_pair')",
        "true"
    ),
    mask!(
        "flags_any",
        "Tells whether one of the flags is set (samtools view --rf).",
        "flags_any(99, '0x904')",
        "false"
    ),
    mask!(
        "flags_none",
        "Tells whether none of the flags is set (samtools view -F).",
        "flags_none(1040, 'unmap,dup')",
        "false"
    ),
    bit!("is_paired", &[], "Tells whether the read is one of a pair.", "is_paired(99)", "true"),
    bit!(
        "is_proper_pair",
        &[],
        "Tells whether a mapped read of a pair is properly paired.",
        "is_proper_pair(99)",
        "true"
    ),
    bit!("is_unmapped", &[], "Tells whether the read is unmapped.", "is_unmapped(4)", "true"),
    bit!(
        "is_mate_unmapped",
        &[],
        "Tells whether the mate of a paired read is unmapped.",
        "is_mate_unmapped(8)",
        "false"
    ),
    bit!("is_reverse", &[], "Tells whether SEQ is reverse complemented.", "is_reverse(16)", "true"),
    bit!(
        "is_mate_reverse",
        &[],
        "Tells whether SEQ of a paired read's mate is reverse complemented.",
        "is_mate_reverse(99)",
        "true"
    ),
    bit!(
        "is_read1",
        &["is_first", "is_first_in_pair"],
        "Tells whether the read is the first of its pair.",
        "is_read1(99)",
        "true"
    ),
    bit!(
        "is_read2",
        &["is_last", "is_second_in_pair"],
        "Tells whether the read is the last of its pair.",
        "is_read2(99)",
        "false"
    ),
    bit!("is_secondary", &[], "Tells whether the alignment is secondary.", "is_secondary(256)", "true"),
    bit!(
        "is_qc_fail",
        &["is_qcfail"],
        "Tells whether the read failed quality checks.",
        "is_qc_fail(512)",
        "true"
    ),
    bit!(
        "is_duplicate",
        &["is_dup"],
        "Tells whether the read is a PCR or optical duplicate.",
        "is_duplicate(1024)",
        "true"
    ),
    bit!(
        "is_supplementary",
        &[],
        "Tells whether the alignment is supplementary.",
        "is_supplementary(2048)",
        "true"
    ),
    bit!(
        "is_primary",
        &[],
        "Tells whether the alignment is neither secondary nor supplementary.",
        "is_primary(256)",
        "false"
    ),
    Function {
        name: "flag_names",
        aliases: &[],
        forms: &[&[Parameter::Flag]],
        variadic: false,
        returns: DataType::Utf8,
        purpose: "Names the flags that are set, as samtools flags does.",
        example: ("flag_names(99)", "paired,proper_pair,mreverse,read1"),
        evaluate: |arguments| {
            let flags = arguments.array(0)?;
            let names = flags
                .as_primitive::<UInt16Type>()
                .iter()
                .map(|flag| flag.map(|flag| Flags(flag).to_string()));
            Ok(Arc::new(names.collect::<StringArray>()))
        },
    },
    Function {
        name: "strand",
        aliases: &[],
        forms: &[&[Parameter::Flag]],
        variadic: false,
        returns: DataType::Utf8,
        purpose: "Returns `+` or `-`; NULL for an unmapped read.",
        example: ("strand(16)", "-"),
        evaluate: |arguments| {
            let flags = arguments.array(0)?;
            let strand = |flag: u16| match flag {
                flag if flag & 0x4 != 0 => None,
                flag if flag & 0x10 != 0 => Some("-"),
                _ => Some("+"),
            };
            let strands = flags.as_primitive::<UInt16Type>().iter().map(|flag| flag.and_then(strand));
            Ok(Arc::new(strands.collect::<StringArray>()))
        },
    },
];

fn constant_test(arguments: &Arguments<'_>, test: Option<FlagTest>) -> Result<ArrayRef> {
    let flags = arguments.array(0)?;
    let Some(test) = test else { return exec_err!("no such test of FLAG") };
    Ok(Arc::new(BooleanArray::from_unary(flags.as_primitive::<UInt16Type>(), |flag| test.holds(flag))))
}

fn masked_test(arguments: &Arguments<'_>, name: &str) -> Result<ArrayRef> {
    if let Some(constant) = arguments.constant(1)? {
        if constant.is_null() {
            return Ok(Arc::new(BooleanArray::new_null(arguments.rows)));
        }
        parse_flags(constant)?;
        return constant_test(arguments, flag_test(name, Some(constant)));
    }
    let flags = arguments.array(0)?;
    let masks = arguments.array(1)?;
    let mut tested = Vec::with_capacity(arguments.rows);
    for (row, flag) in flags.as_primitive::<UInt16Type>().iter().enumerate() {
        let mask = ScalarValue::try_from_array(&masks, row)?;
        let test = if mask.is_null() {
            None
        } else {
            parse_flags(&mask)?.and_then(|_| flag_test(name, Some(&mask)))
        };
        tested.push(flag.zip(test).map(|(flag, test)| test.holds(flag)));
    }
    Ok(Arc::new(BooleanArray::from(tested)))
}

/// Reads flags from their names or their number; `None` for NULL.
fn parse_flags(value: &ScalarValue) -> Result<Option<u16>> {
    if value.is_null() {
        return Ok(None);
    }
    if let Some(text) = value.try_as_str() {
        let Some(text) = text else { return Ok(None) };
        return match text.parse::<Flags>() {
            Ok(Flags(bits)) => Ok(Some(bits)),
            Err(error) => exec_err!("{error}"),
        };
    }
    match value.cast_to(&DataType::UInt16) {
        Ok(ScalarValue::UInt16(Some(bits))) => Ok(Some(bits)),
        _ => exec_err!("{value} is no set of flags: it does not fit 16 bits"),
    }
}
