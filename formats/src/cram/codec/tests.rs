//! The codecs against the vectors of the CRAM specification, and against damaged ones.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

use super::{Corrupt, decompress};
use crate::cram::budget::Budget;

/// Returns the folder of the vectors, if the corpus is there.
fn vectors() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("GENOMDB_CORPUS").map_or(beside, PathBuf::from);
    let folder = root.join("hts-specs/test/cram/codecs");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no codec vectors at {}", folder.display());
    None
}

/// Returns the folder and the method of each codec.
const CODECS: [(&str, u8); 5] = [("rans4x8", 4), ("ransNx16", 5), ("range", 6), ("fqzcomp", 7), ("tok3", 8)];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the data of a vector as the codec saw it.
fn original(folder: &Path, file: &Path) -> Vec<u8> {
    let data = file.file_stem().unwrap().to_str().unwrap();
    let mut text = Vec::new();
    let packed = fs::File::open(folder.join("gzip").join(format!("{data}.gz"))).unwrap();
    flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut text).unwrap();
    if data == "u32" {
        text
    } else if data.ends_with("names") {
        text.iter().map(|&byte| if byte == b'\n' { 0 } else { byte }).collect()
    } else {
        let column = |line: &[u8]| line.split(|&byte| byte == b'\t').next().unwrap().to_vec();
        let qualities = text.split(|&byte| byte == b'\n').flat_map(column);
        // The quality codec was given scores, the others text.
        let offset = if file.parent().is_some_and(|codec| codec.ends_with("fqzcomp")) { 33 } else { 0 };
        qualities.map(|byte| byte - offset).collect()
    }
}

fn decode(method: u8, bytes: &[u8], length: usize) -> Result<Vec<u8>, Corrupt> {
    decompress(method, bytes, length, &mut Budget::new(1 << 28))
}

#[test]
fn decodes_the_vectors_of_the_specification() {
    let Some(folder) = vectors() else { return };
    let mut count = 0;
    for (codec, method) in CODECS {
        for file in files(&folder.join(codec)) {
            let expected = original(&folder, &file);
            let found = decode(method, &fs::read(&file).unwrap(), expected.len());
            let found = found.unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
            let place = found.iter().zip(&expected).position(|(found, expected)| found != expected);
            assert_eq!(place, None, "{} is decoded wrongly", file.display());
            count += 1;
        }
    }
    assert!(count > 150, "{count} vectors");
}

#[test]
fn damaged_vectors_give_an_error_or_bytes() {
    let Some(folder) = vectors() else { return };
    for (codec, method) in CODECS {
        for file in files(&folder.join(codec)).into_iter().step_by(5) {
            let bytes = fs::read(&file).unwrap();
            let length = original(&folder, &file).len();
            for place in (0..bytes.len().min(60)).chain([bytes.len() / 2, bytes.len() - 1]) {
                let _cut = decode(method, &bytes[..place], length);
                let mut flipped = bytes.clone();
                flipped[place] ^= 0x55;
                let _flipped = decode(method, &flipped, length);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn random_bytes_give_an_error_or_bytes(
        method in 0_u8..10,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        length in 0_usize..5_000,
    ) {
        if let Ok(decoded) = decode(method, &bytes, length) {
            prop_assert_eq!(decoded.len(), length);
        }
    }
}
