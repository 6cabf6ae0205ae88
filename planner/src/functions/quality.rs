//! Functions of QUAL, as SAM writes it: one character a base, Phred + 33.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Float64Array, Int64Array},
    datatypes::DataType,
};
use datafusion::common::Result;

use super::{Arguments, Function, Parameter};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "avg_qual",
        aliases: &["mean_qual"],
        forms: &[&[Parameter::Qual]],
        variadic: false,
        returns: DataType::Float64,
        purpose: "Averages the base qualities; NULL where there is none.",
        example: ("avg_qual('5?')", "25.0"),
        evaluate: |arguments| {
            let quals = arguments.text(0)?;
            let averages = quals.iter().map(|qual| qual.filter(|qual| !qual.is_empty()).map(average));
            Ok(Arc::new(averages.collect::<Float64Array>()))
        },
    },
    Function {
        name: "min_qual",
        aliases: &[],
        forms: &[&[Parameter::Qual]],
        variadic: false,
        returns: DataType::Int64,
        purpose: "Returns the smallest base quality; NULL where there is none.",
        example: ("min_qual('5?')", "20"),
        evaluate: |arguments| extreme(arguments, |bytes| bytes.min()),
    },
    Function {
        name: "max_qual",
        aliases: &[],
        forms: &[&[Parameter::Qual]],
        variadic: false,
        returns: DataType::Int64,
        purpose: "Returns the largest base quality; NULL where there is none.",
        example: ("max_qual('5?')", "30"),
        evaluate: |arguments| extreme(arguments, |bytes| bytes.max()),
    },
];

fn average(qual: &str) -> f64 {
    let sum: i64 = qual.bytes().map(|byte| i64::from(byte) - 33).sum();
    sum as f64 / qual.len() as f64
}

fn extreme(arguments: &Arguments<'_>, choose: fn(std::str::Bytes<'_>) -> Option<u8>) -> Result<ArrayRef> {
    let quals = arguments.text(0)?;
    let values =
        quals.iter().map(|qual| qual.and_then(|qual| choose(qual.bytes())).map(|byte| i64::from(byte) - 33));
    Ok(Arc::new(values.collect::<Int64Array>()))
}
