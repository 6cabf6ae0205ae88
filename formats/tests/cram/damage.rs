//! Damaged files: an error or the same records, never a panic.

use std::{fs, io::Cursor};

use genomdb_formats::{FormatError, Source};
use proptest::prelude::*;

use crate::{
    fixtures::{FIXTURES, fixture, with_reference},
    read,
};

fn read_bytes(bytes: Vec<u8>) -> Result<(usize, Vec<u8>), FormatError> {
    let source = Source::Reader { name: "damaged".into(), reader: Box::new(Cursor::new(bytes)) };
    read(source, &with_reference("reads.fa"))
}

#[test]
fn a_cut_is_an_error_wherever_it_falls() {
    for (file, _) in FIXTURES {
        let bytes = fs::read(fixture(file)).unwrap();
        let places = (0..bytes.len()).step_by(199).chain(bytes.len() - 60..bytes.len());
        for place in places {
            let found = read_bytes(bytes[..place].to_vec());
            assert!(found.is_err(), "{file} cut at {place} of {} is read", bytes.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A checksum stands over every byte of CRAM 3 but some of the file's definition.
    #[test]
    fn a_flipped_bit_gives_an_error_or_the_same_records(
        (file, text) in prop::sample::select(FIXTURES.to_vec()),
        place in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut bytes = fs::read(fixture(file)).unwrap();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok((_, found)) = read_bytes(bytes) && file.starts_with("v3") {
            let expected = fs::read(fixture(text)).unwrap();
            // Names that the file does not hold are made of its name.
            let renamed = String::from_utf8_lossy(&expected).replace(file, "damaged");
            prop_assert!(found == renamed.as_bytes(), "{} with bit {} of byte {}", file, bit, place);
        }
    }
}
