//! Interval joins against the hash join that they replace.

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::store::{CONTIGS, Store};

fn regions(random: &mut StdRng, count: usize) -> String {
    let rows = (0..count).map(|number| {
        let (contig, length) = CONTIGS[random.random_range(0..3)];
        let start = random.random_range(0..length);
        let contig = if random.random_bool(0.1) { "elsewhere" } else { contig };
        format!("('r{number}', '{contig}', {start}, {})", start + random.random_range(0..80))
    });
    format!("(VALUES {}) AS t (name, chrom, start, \"end\")", rows.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn joins_find_the_same_pairs() {
    let overlap = "r.chrom = t.chrom AND r.start < t.end AND t.start < r.end";
    for seed in 0..8_u64 {
        let store = Store::random(seed, 2, 80, 7);
        let mut random = StdRng::seed_from_u64(seed);
        let regions = regions(&mut random, 12);
        for text in [
            format!("SELECT t.name, r.qname, r.mapq FROM {regions} JOIN reads r ON r.interval INTERSECTS t.interval"),
            format!("SELECT t.name, r.qname FROM reads r JOIN {regions} ON {overlap}"),
            format!("SELECT t.name, r.qname FROM reads r, {regions} WHERE {overlap} AND r.mapq > t.start % 60"),
            format!("SELECT t.name, r.qname FROM {regions} LEFT JOIN reads r ON {overlap} AND r.mapq > 20"),
            format!("SELECT t.name, r.qname FROM reads r LEFT JOIN {regions} ON {overlap}"),
            format!("SELECT t.name, r.qname FROM {regions} RIGHT JOIN reads r ON {overlap}"),
            format!("SELECT qname FROM reads r WHERE EXISTS (SELECT 1 FROM {regions} WHERE {overlap})"),
            format!("SELECT qname FROM reads r WHERE NOT EXISTS (SELECT 1 FROM {regions} WHERE {overlap})"),
            format!("SELECT name FROM {regions} WHERE NOT EXISTS (SELECT 1 FROM reads r WHERE {overlap})"),
            format!("SELECT name FROM {regions} WHERE EXISTS (SELECT 1 FROM reads r WHERE {overlap})"),
            format!("SELECT t.name, count(*) FROM {regions} JOIN reads r ON {overlap} GROUP BY t.name"),
            format!("SELECT t.name, r.qname FROM {regions} JOIN reads r ON r.interval WITHIN 30 OF t.interval"),
            format!(
                "SELECT t.name, r.qname FROM {regions} JOIN reads r \
                 ON t.chrom = r.chrom AND r.pos <= t.end AND r.end >= t.start + 1"
            ),
            "SELECT a.qname, b.qname FROM reads a JOIN reads b ON a.interval INTERSECTS b.interval AND a.mapq < 10"
                .to_owned(),
        ] {
            store.same(&text, false).await;
        }
    }
}

#[tokio::test]
async fn a_join_reads_only_the_regions_of_its_smaller_side() {
    let store = Store::random(1, 1, 600, 10);
    let text = "SELECT t.name, r.qname FROM (VALUES ('a', 'chr1', 500, 520)) AS t (name, chrom, start, \"end\") \
                JOIN reads r ON r.interval INTERSECTS t.interval";
    let plan = store.explain(text, true).await;
    assert!(plan.contains("IntervalJoinExec"), "{plan}");
    assert!(plan.contains("regions_from_join=true"), "{plan}");
    let read = plan.split("blocks_read=").nth(1).and_then(|rest| rest.split([',', ']']).next()).unwrap();
    assert!(read.trim().parse::<usize>().unwrap() < 30, "{plan}");
}
