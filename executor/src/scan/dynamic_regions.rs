//! Regions that only the running query knows: what the other side of an interval join holds.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use genomdb_genome::{Contigs, Interval, RegionSet};

/// Pairs `(low, high)` by the names of their contigs.
type Pairs = HashMap<String, Vec<(i64, i64)>>;

/// Regions that a join sets before it first polls the scan below it.
///
/// Until they are set, a scan reads everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct DynamicRegions(Arc<OnceLock<Pairs>>);

impl DynamicRegions {
    /// Sets, by contig, the pairs `(low, high)`: a row is wanted if `start < high && low < end`.
    pub(crate) fn set(&self, pairs: Pairs) {
        // A second partition that lost the race brings the same pairs.
        let _ = self.0.set(pairs);
    }

    /// Returns the regions in terms of a table's contigs; `None` while they are not set.
    pub(crate) fn regions(&self, contigs: &Contigs) -> Option<RegionSet> {
        let pairs = self.0.get()?;
        let named = pairs.iter().filter_map(|(name, pairs)| Some((contigs.id(name)?, pairs)));
        Some(
            named
                .flat_map(|(contig, pairs)| {
                    pairs.iter().filter_map(move |&pair| Some((contig, stretch(pair)?)))
                })
                .collect(),
        )
    }
}

/// Bases of which each wanted row covers at least one.
///
/// Where `high <= low` a wanted row starts before `high` and ends after it, and so covers the base before it.
fn stretch((low, high): (i64, i64)) -> Option<Interval> {
    let low = low.min(high.saturating_sub(1)).max(0);
    Interval::new(u64::try_from(low).ok()?, u64::try_from(high).ok()?)
        .ok()
        .filter(|found| found.start() < found.end())
}
