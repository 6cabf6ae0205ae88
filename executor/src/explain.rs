//! What EXPLAIN prints of a scan.

use genomdb_genome::{ContigId, Contigs, Interval, Region, RegionSet};

/// More regions than this are counted, not printed.
const REGIONS_MAX: usize = 8;

/// Writes regions in bracket notation.
pub(crate) fn regions(regions: &RegionSet, contigs: &Contigs) -> String {
    let name =
        |contig: ContigId| contigs.get(contig).map(|contig| contig.name.to_string()).unwrap_or_default();
    let text =
        |contig: ContigId, interval: Interval| Region::Placed { contig: name(contig), interval }.to_string();
    let all: Vec<_> = regions
        .contigs()
        .flat_map(|(contig, list)| list.iter().map(move |&interval| (contig, interval)))
        .collect();
    let count = all.len();
    let mut texts: Vec<String> =
        all.into_iter().take(REGIONS_MAX).map(|(contig, interval)| text(contig, interval)).collect();
    if regions.unplaced {
        texts.push(Region::Unplaced.to_string());
    }
    if count > REGIONS_MAX {
        texts.push(format!("… {} more", count - REGIONS_MAX));
    }
    texts.join(", ")
}
