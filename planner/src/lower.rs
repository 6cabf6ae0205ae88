//! From GQL's syntax tree to sqlparser's, which is only a carrier here: its parser is never called.
//!
//! The SQL core is carried over one to one. What GQL adds is rewritten into plain SQL and calls of the
//! functions below, which the session must provide:
//!
//! | GQL | becomes |
//! |---|---|
//! | `t.interval INTERSECTS 'r'` (also `$1`, any text expression) | `intersects(t.chrom, t.start, t."end", 'r')` |
//! | `… INTERSECTS ANY('r', 's', …)` | `intersects(t.chrom, t.start, t."end", 'r', 's', …)` |
//! | `… INTERSECTS ALL('r', 's')` | `intersects(…, 'r') AND intersects(…, 's')` |
//! | `… INTERSECTS ANY(SELECT …)` | `EXISTS (SELECT 1 FROM (SELECT …) AS __regions (region) WHERE intersects(…, __regions.region))` |
//! | `… INTERSECTS ALL(SELECT …)` | `NOT EXISTS (… WHERE NOT intersects(…, __regions.region))` |
//! | `a.interval INTERSECTS b.interval` | `a.chrom = b.chrom AND a.start < b."end" AND b.start < a."end"` |
//! | `… CONTAINS 'r'` | `contains_region(chrom, start, "end", 'r')`: the region lies inside the interval |
//! | `a.interval CONTAINS b.interval` | `a.chrom = b.chrom AND a.start <= b.start AND b."end" <= a."end"` |
//! | `… WITHIN 'r'` | `within_region(chrom, start, "end", 'r')`: the interval lies inside the region |
//! | `a.interval WITHIN b.interval` | `b.interval CONTAINS a.interval` |
//! | `… WITHIN n OF 'r'` | `within_distance(chrom, start, "end", n, 'r')`: the gap is at most `n` bases |
//! | `a.interval WITHIN n OF b.interval` | `a.chrom = b.chrom AND a.start <= b."end" + n AND b.start <= a."end" + n` |
//! | `NOT INTERSECTS` and the like | `NOT (…)` |
//! | `interval` elsewhere | `region(chrom, start, "end")`, the region as text |
//! | `overlap_bp(a.interval, b.interval)`, `intersects(interval, 'r')`, … | each interval becomes three arguments |
//! | `stop` | `"end"` |
//! | `tags.NM`, `tags['NM']`, `info.AF` | a field of that very name: `get_field(tags, 'NM')` |
//!
//! `ANY` and `ALL` work with `CONTAINS`, `WITHIN` and `WITHIN n OF` in the same way, as OR and AND of calls.
//! The functions needed are therefore `intersects(chrom, start, end, region, …)`,
//! `contains_region(chrom, start, end, region)`, `within_region(chrom, start, end, region)`,
//! `within_distance(chrom, start, end, distance, region)` and `region(chrom, start, end)`; a NULL contig
//! gives what the region `*` means for it.
