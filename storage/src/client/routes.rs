//! Which range has which keys, as far as it is known here.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use crate::{
    kv::{Key, KeyRange},
    range::{NodeId, RangeId, Space},
    rpc::Route,
};

/// A map of ranges that may be out of date: the ranges themselves refuse what is not theirs.
#[derive(Debug, Default)]
pub(super) struct Routes {
    routes: BTreeMap<(Space, Key), Route>,
    /// Ranges whose replicas may be elsewhere by now.
    doubted: BTreeSet<RangeId>,
}

fn overlaps(a: &KeyRange, b: &KeyRange) -> bool {
    let before = |end: &Option<Key>, start: &Key| end.as_ref().is_some_and(|end| end <= start);
    !before(&a.end, &b.start) && !before(&b.end, &a.start)
}

impl Routes {
    /// The range that has `key`.
    pub(super) fn find(&self, space: Space, key: &[u8]) -> Option<&Route> {
        let bounds = (Bound::Unbounded, Bound::Included((space, Key::copy_from_slice(key))));
        let ((of, _), route) = self.routes.range(bounds).next_back()?;
        (*of == space && route.descriptor.keys.contains(key)).then_some(route)
    }

    /// The range of this number.
    pub(super) fn by_id(&self, range: RangeId) -> Option<Route> {
        self.routes.values().find(|route| route.descriptor.id == range).cloned()
    }

    /// Learns of a range; what is known of its keys is replaced, unless that is newer.
    pub(super) fn learn(&mut self, route: Route) {
        let space = route.descriptor.space;
        let overlapping: Vec<(Space, Key)> = self
            .routes
            .iter()
            .filter(|((of, _), known)| {
                *of == space && overlaps(&known.descriptor.keys, &route.descriptor.keys)
            })
            .map(|(key, _)| key.clone())
            .collect();
        let newer = overlapping
            .iter()
            .filter_map(|key| self.routes.get(key))
            .any(|known| known.descriptor.version > route.descriptor.version);
        if newer {
            return;
        }
        let mut route = route;
        for key in overlapping {
            if let Some(known) = self.routes.remove(&key)
                && known.descriptor == route.descriptor
                && route.leader.is_none()
            {
                route.leader = known.leader;
            }
        }
        self.routes.insert((space, route.descriptor.keys.start.clone()), route);
    }

    /// Who leads a range, from now on.
    pub(super) fn leader(&mut self, range: RangeId, leader: Option<NodeId>) {
        if let Some(route) = self.routes.values_mut().find(|route| route.descriptor.id == range) {
            route.leader = leader;
        }
    }

    /// A replica of a range is not reached: others may have taken its place.
    pub(super) fn doubt(&mut self, range: RangeId) {
        self.doubted.insert(range);
    }

    /// Whether a range is in doubt; it is no longer when that was asked.
    pub(super) fn resolve_doubt(&mut self, range: RangeId) -> bool {
        self.doubted.remove(&range)
    }

    /// Forgets a range that is not where it was.
    pub(super) fn forget(&mut self, range: RangeId) {
        self.routes.retain(|_, route| route.descriptor.id != range);
    }
}
