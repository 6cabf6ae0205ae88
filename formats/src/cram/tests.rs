//! Hostile containers: blocks that are whole, with right checksums, and hold nonsense.

use std::{fs, io::Cursor as IoCursor, path::PathBuf, rc::Rc, sync::Arc};

use genomdb_genome::{Contig, Contigs};
use proptest::prelude::*;

use super::{
    Reader, Shared,
    block::Block,
    budget::{Budget, CONTAINER_BYTES_MAX},
    container::Container,
    corrupt::Broken,
    cursor::Cursor,
    decode::decode_container,
    name_prefix,
};
use crate::{OpenOptions, Source, reference::Reference, source::Input};

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
    #![proptest_config(ProptestConfig::with_cases(1_000))]

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

    #[test]
    fn damaged_streams_in_whole_blocks_give_an_error_or_records(
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
    ) {
        CONTAINERS.with(|containers| {
            let (reader, container, _) = which.get(containers);
            let mut hostile = container.clone();
            for (place, bit) in changes {
                flip(&mut hostile.bytes, place.index(container.bytes.len()), bit, &reader.shared);
            }
            let _decoded = decode_container(&hostile, &reader.shared);
        });
    }
}

/// Flips a bit of a block, and makes its checksum right again.
fn flip(bytes: &mut [u8], place: usize, bit: u8, shared: &Shared) {
    let (mut start, mut end) = (0, 0);
    while end <= place {
        let Ok(size) = Block::size(&bytes[end..], shared.version) else { return };
        (start, end) = (end, end + size);
    }
    if end > bytes.len() || !shared.version.has_checksums() {
        return;
    }
    bytes[place] ^= 1 << bit;
    let mut crc = libdeflater::Crc::new();
    crc.update(&bytes[start..end - 4]);
    bytes[end - 4..end].copy_from_slice(&crc.sum().to_le_bytes());
}

#[test]
fn the_fixtures_hold_many_compression_methods() {
    let mut methods = std::collections::BTreeSet::new();
    CONTAINERS.with(|containers| {
        for (reader, container, _) in containers {
            let mut rest = &container.bytes[..];
            while let [method, ..] = rest {
                methods.insert(*method);
                rest = &rest[Block::size(rest, reader.shared.version).unwrap()..];
            }
        }
    });
    // So few reads are not worth xz (3) nor models of qualities (7) and names (8); the codecs' own tests and
    // the corpus have those.
    assert_eq!(Vec::from_iter(methods), [0, 1, 2, 4, 5, 6]);
}

#[test]
fn a_slice_of_another_reference_is_refused_by_its_own_md5() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(fixture("reads.fa")).unwrap();
    // A base in the midst of the first contig.
    let place = text.find('\n').unwrap() + 1_200;
    let other = if text.as_bytes()[place] == b'A' { "C" } else { "A" };
    let path = folder.path().join("changed.fa");
    fs::write(&path, format!("{}{other}{}", &text[..place], &text[place + 1..])).unwrap();
    let mut reader = open(fs::read(fixture("v3.0.cram")).unwrap());
    let without_md5 = reader.shared.contigs.iter().cloned().map(|contig| Contig { md5: None, ..contig });
    reader.shared.contigs = Contigs::new(without_md5).unwrap();
    reader.shared.reference = Some(Arc::new(Reference::open(&path, &reader.shared.contigs).unwrap()));
    let container = reader.next_container().unwrap().unwrap();
    let Err(Broken::Reference(reason)) = decode_container(&container, &reader.shared) else {
        panic!("another reference is taken");
    };
    for part in ["contig `one`", "the MD5 of one:", "changed.fa` it is"] {
        assert!(reason.contains(part), "{reason}");
    }
}
