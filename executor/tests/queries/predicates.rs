//! Random predicates: what the scan decides must be what is decided above it.

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::store::Store;

/// A position at, or beside, an end of some record: where mistakes of one base show.
fn edge(random: &mut StdRng, store: &Store) -> i64 {
    let reads = &store.sources[random.random_range(0..store.sources.len())];
    let read = &reads[random.random_range(0..reads.len())];
    let span = if read.flag & 4 == 0 { reference_length(&read.cigar).max(1) } else { 1 };
    read.start + random.random_range(-1..=1) + if random.random_bool(0.5) { span } else { 0 }
}

fn region(random: &mut StdRng, store: &Store) -> String {
    let (contig, length) = crate::store::CONTIGS[random.random_range(0..3)];
    let start = edge(random, store).clamp(1, length as i64);
    let end = edge(random, store).clamp(start, length as i64);
    match random.random_range(0..8) {
        0 => contig.to_owned(),
        1 => "*".to_owned(),
        2 => format!("{contig}:{start}-"),
        _ => format!("{contig}:{start}-{end}"),
    }
}

fn atom(random: &mut StdRng, store: &Store) -> String {
    let comparison = ["=", "<>", "<", "<=", ">", ">="][random.random_range(0..6)];
    let position = edge(random, store);
    let mask = random.random_range(0..4096_u16) & random.random_range(0..4096_u16);
    match random.random_range(0..22) {
        0 => format!("interval INTERSECTS '{}'", region(random, store)),
        1 => format!("interval INTERSECTS ANY('{}', '{}')", region(random, store), region(random, store)),
        2 => format!("chrom = '{}'", crate::store::CONTIGS[random.random_range(0..3)].0),
        3 => "chrom IS NULL".to_owned(),
        4 => "start IS NOT NULL".to_owned(),
        5 => "chrom IN ('chr2', 'chr10', 'none')".to_owned(),
        6 => format!("start {comparison} {position}"),
        7 => format!("end {comparison} {position}"),
        8 => format!("pos {comparison} {position}"),
        9 => format!("start BETWEEN {position} AND {}", position + random.random_range(0..400)),
        10 => format!("mapq {comparison} {}", random.random_range(0..62)),
        11 => format!("flag & {mask} {comparison} {}", mask & random.random_range(0..4096)),
        12 => format!("flags_none(flag, {mask})"),
        13 => format!("flags_all(flag, {})", mask & 0x33),
        14 => format!("flags_any(flag, {mask})"),
        15 => ["is_unmapped(flag)", "is_proper_pair(flag)", "is_primary(flag)", "is_reverse(flag)"]
            [random.random_range(0..4)]
        .to_owned(),
        16 => format!("tags['NM'] {comparison} {}", random.random_range(0..6)),
        17 => "mapq IS NULL".to_owned(),
        18 => format!("interval WITHIN {} OF '{}'", random.random_range(0..50), region(random, store)),
        19 => format!("interval CONTAINS '{}'", region(random, store)),
        20 => "sample = 'one'".to_owned(),
        _ => "source = 'source1.bam'".to_owned(),
    }
}

fn predicate(random: &mut StdRng, store: &Store, depth: usize) -> String {
    if depth == 0 || random.random_bool(0.3) {
        return atom(random, store);
    }
    let mut inner = || predicate(random, store, depth - 1);
    let (left, right) = (inner(), inner());
    match random.random_range(0..5) {
        0 | 1 => format!("({left} AND {right})"),
        2 | 3 => format!("({left} OR {right})"),
        _ => format!("NOT ({left})"),
    }
}

/// PLAN-1: what is pushed down may cost speed, never rows.
#[tokio::test]
async fn push_down_changes_no_answer() {
    let columns = "qname, flag, chrom, start, end, mapq, tags['NM'] AS nm, sample, source";
    for seed in 0..8_u64 {
        let store = Store::random(seed, 1 + seed as usize % 3, 80, 3);
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..14 {
            let predicate = predicate(&mut random, &store, 3);
            eprintln!("seed {seed}: {predicate}");
            let rows = store.same(&format!("SELECT {columns} FROM reads WHERE {predicate}"), true).await;
            let count = store.same(&format!("SELECT count(*) FROM reads WHERE {predicate}"), true).await;
            assert_eq!(count, [rows.len().to_string()], "{predicate}");
            let few =
                store.rows(&format!("SELECT {columns} FROM reads WHERE {predicate} LIMIT 5"), true).await;
            assert_eq!(few.unwrap(), rows[..rows.len().min(5)], "{predicate}");
        }
    }
}

#[tokio::test]
async fn contigs_compare_by_number_as_they_do_by_text() {
    for seed in 40..44_u64 {
        let store = Store::random(seed, 1 + seed as usize % 3, 120, 7);
        for (numbers, texts) in [
            ("mate_chrom <> chrom", "mate_chrom || '' <> chrom || ''"),
            ("chrom = mate_chrom", "chrom || '' = mate_chrom || ''"),
            ("sample <> source", "sample || '' <> source || ''"),
        ] {
            let select = |test| format!("SELECT count(*) FILTER (WHERE {test}), count({test}) FROM reads");
            let plan = store.explain(&select(numbers), false).await;
            assert!(plan.contains("_text("), "{plan}");
            let plain = store.rows(&select(texts), true).await.unwrap();
            assert_eq!(store.rows(&select(numbers), true).await.unwrap(), plain, "seed {seed}: {numbers}");
        }
    }
}

#[tokio::test]
async fn regions_are_those_of_the_records() {
    for seed in 20..26_u64 {
        let store = Store::random(seed, 2, 120, 9);
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..10 {
            let (contig, length) = crate::store::CONTIGS[random.random_range(0..3)];
            let first = random.random_range(1..length as i64);
            let last = random.random_range(first..=length as i64);
            let text = format!("SELECT qname FROM reads WHERE interval INTERSECTS '{contig}:{first}-{last}'");
            let expected: Vec<String> = store
                .in_order()
                .into_iter()
                .filter(|read| {
                    read.contig.is_some_and(|number| crate::store::CONTIGS[number as usize].0 == contig)
                })
                .filter(|read| {
                    let span = if read.flag & 4 == 0 { reference_length(&read.cigar).max(1) } else { 1 };
                    read.start >= 0 && read.start < last && read.start + span > first - 1
                })
                .map(|read| read.name.clone())
                .collect();
            assert_eq!(store.rows(&text, true).await.unwrap(), expected, "seed {seed}: {text}");
        }
    }
}

fn reference_length(cigar: &[u8]) -> i64 {
    genomdb_genome::alignment::Cigar::from_bytes(cigar).reference_length() as i64
}

#[tokio::test]
async fn no_base_is_lost_at_an_edge() {
    let store = Store::random(40, 1, 120, 2);
    let mut random = StdRng::seed_from_u64(40);
    for column in ["start", "end", "pos"] {
        for comparison in ["=", "<", "<=", ">", ">="] {
            for _ in 0..8 {
                let value = edge(&mut random, &store);
                let predicate = format!("{column} {comparison} {value}");
                store.same(&format!("SELECT qname FROM reads WHERE {predicate}"), true).await;
            }
        }
    }
}
