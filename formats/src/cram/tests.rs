//! Hostile containers: blocks that are whole, with right checksums, and hold nonsense.

use std::{fs, io::Cursor as IoCursor, path::PathBuf, rc::Rc};

use proptest::prelude::*;

use super::{
    Reader, Shared,
    block::Block,
    budget::{Budget, CONTAINER_BYTES_MAX},
    container::Container,
    cursor::Cursor,
    decode::decode_container,
    name_prefix,
};
use crate::{OpenOptions, Source, source::Input};

const FIXTURES: [&str; 7] = [
    "v2.1.cram",
    "v3.0.cram",
    "v3.0-embedded.cram",
    "v3.0-no-reference.cram",
    "v3.0-several-contigs.cram",
    "v3.1.cram",
    "v3.1-arithmetic.cram",
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cram/fixtures").join(name)
}

fn open(bytes: Vec<u8>) -> Reader {
    let source = Source::Reader { name: "hostile".into(), reader: Box::new(IoCursor::new(bytes)) };
    let options = OpenOptions { reference: Some(fixture("reads.fa")), threads: 1 };
    Reader::open(Input::open(source).unwrap(), &options).unwrap().1
}

/// A block as its fields, its bytes inflated.
#[derive(Clone)]
struct Plain {
    kind: u8,
    content_id: i32,
    bytes: Vec<u8>,
}

fn blocks(container: &Container, shared: &Shared) -> Vec<Plain> {
    let mut cursor = Cursor(&container.bytes);
    let mut blocks = Vec::new();
    while !cursor.is_empty() {
        let block = Block::read(&mut cursor, shared.version).unwrap();
        let bytes = block.decompress(&mut Budget::new(CONTAINER_BYTES_MAX)).unwrap();
        blocks.push(Plain { kind: block.kind, content_id: block.content_id, bytes });
    }
    blocks
}

fn write_itf8(value: i32, out: &mut Vec<u8>) {
    let [a, b, c, d] = value.to_be_bytes();
    out.extend([0xf0 | a >> 4, a << 4 | b >> 4, b << 4 | c >> 4, c << 4 | d >> 4, d & 0x0f]);
}

/// Writes blocks uncompressed, with the checksums that their bytes have.
fn write(blocks: &[Plain], shared: &Shared) -> Vec<u8> {
    let mut out = Vec::new();
    for block in blocks {
        let start = out.len();
        out.extend([0, block.kind]);
        for number in [block.content_id, block.bytes.len() as i32, block.bytes.len() as i32] {
            write_itf8(number, &mut out);
        }
        out.extend(&block.bytes);
        if shared.version.has_checksums() {
            let mut crc = libdeflater::Crc::new();
            crc.update(&out[start..]);
            out.extend(crc.sum().to_le_bytes());
        }
    }
    out
}

#[test]
fn blocks_written_anew_read_the_same() {
    for name in FIXTURES {
        let mut reader = open(fs::read(fixture(name)).unwrap());
        while let Some(container) = reader.next_container().unwrap() {
            if container.records == 0 {
                continue;
            }
            let bytes = write(&blocks(&container, &reader.shared), &reader.shared);
            let again = Container { bytes, ..container.clone() };
            let lengths = [&container, &again].map(|container| {
                let records = decode_container(container, &reader.shared).unwrap();
                (records.len(), records.byte_count())
            });
            assert_eq!(lengths[0], lengths[1], "{name}");
        }
    }
}

#[test]
fn names_begin_with_the_name_of_the_file() {
    for (file, prefix) in
        [("a/b/reads.cram", "reads.cram"), ("standard input", "-"), ("my reads@home", "my_reads_home")]
    {
        assert_eq!(name_prefix(file), prefix);
    }
    assert_eq!(name_prefix(&"é".repeat(300)), "_".repeat(200));
}

thread_local! {
    /// The containers of the fixtures, opened once.
    static CONTAINERS: Vec<(Rc<Reader>, Container, Vec<Plain>)> = containers();
}

fn containers() -> Vec<(Rc<Reader>, Container, Vec<Plain>)> {
    let mut found = Vec::new();
    for name in FIXTURES {
        let mut reader = open(fs::read(fixture(name)).unwrap());
        let mut own = Vec::new();
        while let Some(container) = reader.next_container().unwrap() {
            if container.records > 0 {
                own.push(container);
            }
        }
        let reader = Rc::new(reader);
        found.extend(own.into_iter().map(|container| {
            let blocks = blocks(&container, &reader.shared);
            (reader.clone(), container, blocks)
        }));
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn nonsense_in_whole_blocks_gives_an_error_or_records(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 1..4),
    ) {
        CONTAINERS.with(|containers| {
            let (reader, container, blocks) = which.get(containers);
            let mut blocks = blocks.clone();
            for (block, place, byte, kind) in changes {
                let index = block.index(blocks.len());
                let bytes = &mut blocks[index].bytes;
                if bytes.is_empty() {
                    continue;
                }
                let place = place.index(bytes.len());
                match kind {
                    0 => bytes[place] = byte,
                    1 => bytes[place] ^= 1 << (byte % 8),
                    2 => bytes.truncate(place),
                    _ => bytes.insert(place, byte),
                }
            }
            let hostile = Container { bytes: write(&blocks, &reader.shared), ..container.clone() };
            if let Ok(records) = decode_container(&hostile, &reader.shared) {
                assert!(records.iter().all(|record| record.base_count < 1 << 30));
            }
        });
    }
}
