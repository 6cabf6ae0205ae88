//! Query texts: real ones with their bytes or their words changed.

use crate::{
    check,
    mutation::{mutated, mutated_words},
    targets,
};

/// Every construct of the language once.
const TEXTS: &[&str] = &[
    "SELECT qname, flag, pos, mapq, cigar, tags['NM'] AS nm FROM reads \
        WHERE interval INTERSECTS '11:5,012,040-5,012,045' ORDER BY pos, qname",
    "SELECT count(*) AS reads, count(*) FILTER (WHERE flags_none(flag, 'unmap,dup')) FROM main.reads r",
    "SELECT chrom, mapq / 10 * 10 AS bin, count(DISTINCT a) FROM reads WHERE chrom IS NOT NULL \
        GROUP BY ROLLUP (chrom, mapq / 10), GROUPING SETS ((a), ()) HAVING count(*) > 1 LIMIT 3 OFFSET 1",
    "SELECT * FROM a JOIN b ON a.interval WITHIN 10000 OF b.interval AND NOT a.interval CONTAINS b.interval",
    "SELECT * FROM a LEFT SEMI JOIN b USING (x) NATURAL JOIN c CROSS JOIN d, LATERAL (SELECT a.x) AS l (y)",
    "WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 10) SELECT * FROM a",
    "SELECT sum(a) OVER (PARTITION BY b ORDER BY c DESC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND 1 \
        FOLLOWING) FROM r WINDOW w AS (ORDER BY a) QUALIFY rank() OVER w = 1",
    "SELECT CASE x WHEN 1 THEN 'it''s' ELSE end END, CAST(x AS DECIMAL(10, 2)), x::INT[]::TEXT, -a * - -b",
    "SELECT EXTRACT(year FROM x), SUBSTRING(a FROM 1 FOR 2), TRIM(BOTH 'x' FROM y), INTERVAL '1' DAY, 1.5e-3",
    "SELECT a BETWEEN 1 AND 2 AND b NOT LIKE 'x!%' ESCAPE '!' OR d ~ 'x' XOR e IN (SELECT 1) AND EXISTS (SELECT 2)",
    "SELECT a IS DISTINCT FROM b, a = ANY ([1, 2]), \"quoted \"\"name\", [1, 2][1], {'a': 1}, tags.NM, $1, ? -- end",
    "((SELECT 1) UNION (VALUES (1, 'a'), (2, 'b')) INTERSECT SELECT 3) ORDER BY 1 /* comment */",
    "SELECT * FROM NEAREST(a, b, k => 3) AS n JOIN DEPTH(reads, region => 'chr1:1-100') ON n.x = 2",
    "CREATE TABLE IF NOT EXISTS d.reads TYPE ALIGNMENTS",
    "CREATE OR REPLACE VIEW v AS SELECT 1",
    "INSERT INTO d.samples (name, age) VALUES ('a', 1), ('b', NULL)",
    "COPY reads FROM 'a.bam' (REFERENCE 'b.fa', THREADS 4, FORCE true)",
    "COPY (SELECT * FROM reads) TO 'a.sam' (FORMAT sam)",
    "EXPLAIN ANALYZE FORMAT json SELECT 1; DROP TABLE IF EXISTS reads",
    "SHOW TABLES FROM d",
    "DESCRIBE reads",
    "SET fetch_bytes_max = '64 MiB'",
    "DROP SOURCE 'a.bam' FROM reads",
];

/// Words, numbers, blanks and signs, each for itself.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in text.chars() {
        let joins = |last: &String| {
            letter.is_alphanumeric() && last.chars().all(char::is_alphanumeric)
                || letter == ' ' && last.chars().all(|other| other == ' ')
        };
        match words.last_mut() {
            Some(last) if joins(last) => last.push(letter),
            _ => words.push(letter.into()),
        }
    }
    words
}

#[test]
fn most_texts_are_queries_before_they_are_changed() {
    let wrong: Vec<String> = TEXTS
        .iter()
        .filter_map(|text| genomdb_grammar::parse(text).err().map(|error| error.render(text)))
        .collect();
    assert!(wrong.len() * 4 < TEXTS.len(), "{}", wrong.join("\n"));
    TEXTS.iter().for_each(|text| targets::parse_query(text.as_bytes()));
}

#[test]
fn changed_queries() {
    let bytes: Vec<Vec<u8>> = TEXTS.iter().map(|text| text.as_bytes().to_vec()).collect();
    let texts: Vec<Vec<String>> = TEXTS.iter().map(|text| words(text)).collect();
    check(1200, targets::parse_query, |random| {
        if random.below(3) == 0 { mutated(&bytes, random) } else { mutated_words(&texts, random) }
    });
}
