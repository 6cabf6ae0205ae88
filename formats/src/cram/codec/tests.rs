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
        for file in files(&folder.join(codec)).into_iter().step_by(9) {
            let bytes = fs::read(&file).unwrap();
            let length = original(&folder, &file).len();
            for place in (0..bytes.len().min(40)).chain([bytes.len() / 2, bytes.len() - 1]) {
                let _cut = decode(method, &bytes[..place], length);
                let mut flipped = bytes.clone();
                flipped[place] ^= 0x55;
                let _flipped = decode(method, &flipped, length);
            }
        }
    }
}

/// 40 times `ACGT`, then five times another text.
const XZ: [u8; 96] = [
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01, 0x16,
    0x00, 0x00, 0x00, 0x74, 0x2f, 0xe5, 0xa3, 0xe0, 0x01, 0x03, 0x00, 0x20, 0x5d, 0x00, 0x20, 0x90, 0xc5,
    0x0a, 0xbb, 0xb3, 0x12, 0x70, 0xfd, 0xc6, 0xc0, 0x7c, 0x4b, 0x86, 0x97, 0xba, 0x86, 0x3e, 0x57, 0x59,
    0xae, 0x94, 0x68, 0x1b, 0x2b, 0x65, 0x70, 0xb2, 0xc9, 0xe4, 0xa0, 0x00, 0x00, 0xf0, 0xbb, 0xab, 0x11,
    0x66, 0x52, 0x19, 0xad, 0x00, 0x01, 0x3c, 0x84, 0x02, 0x00, 0x00, 0x00, 0xd2, 0xcd, 0x82, 0x5e, 0xb1,
    0xc4, 0x67, 0xfb, 0x02, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
];

#[test]
fn xz_is_inflated_and_damage_found() {
    let expected = [b"ACGT".repeat(40), b"NNNN the same again ".repeat(5)].concat();
    assert_eq!(decode(3, &XZ, expected.len()), Ok(expected.clone()));
    for place in 0..XZ.len() {
        assert!(decode(3, &XZ[..place], expected.len()).is_err(), "cut at {place}");
        for bit in 0..8 {
            let mut flipped = XZ;
            flipped[place] ^= 1 << bit;
            let decoded = decode(3, &flipped, expected.len());
            assert!(decoded.is_err() || decoded == Ok(expected.clone()), "bit {bit} of byte {place}");
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
