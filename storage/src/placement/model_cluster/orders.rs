//! How the model's nodes and leaders obey: with the guards that real ones must have.

use super::*;

impl Model {
    pub(super) fn obey(&mut self, id: NodeId, order: Order) {
        let range = order.range();
        let Some(node) = self.nodes.get_mut(&id).filter(|node| node.alive) else { return };
        match order {
            Order::CreateReplica { incarnation, configuration, .. } if node.incarnation == incarnation => {
                let empty = Replica { configuration: 0, made_under: 0, matched: 0, term: 0 };
                let replica = node.replicas.entry(range).or_insert(empty);
                if replica.matched == 0 {
                    replica.made_under = replica.made_under.max(configuration);
                }
            }
            Order::DropReplica { incarnation, configuration, settled_term, .. }
                if node.incarnation == incarnation =>
            {
                let dropped = node.replicas.get(&range).is_some_and(|replica| {
                    let Replica { configuration: known, made_under, matched, term } = *replica;
                    let is_empty = matched == 0;
                    let replica = Knowledge { configuration: known, made_under, term, is_empty };
                    may_drop(configuration, settled_term, replica)
                });
                if dropped {
                    node.replicas.remove(&range);
                }
            }
            Order::CreateReplica { .. } | Order::DropReplica { .. } => {}
            order => {
                if let Some(mut group) = self.groups.remove(&range) {
                    if group.leader == Some(id) {
                        self.lead(id, order, &mut group);
                    }
                    self.groups.insert(range, group);
                }
            }
        }
    }

    /// The leader does what it is told, if its guards hold.
    fn lead(&mut self, leader: NodeId, order: Order, group: &mut Group) {
        let mut report = self.range_report(group);
        // A death in the very moment of the change cannot be told from one after it, which the range
        // would not have survived either; so here the leader knows who lives.
        for (node, follower) in &mut report.followers {
            if !self.nodes.get(node).is_some_and(|node| node.alive) {
                follower.silent = Duration::MAX;
            }
        }
        match order {
            Order::AddLearner { configuration, node, .. } if configuration == group.configuration => {
                assert!(!report.names(node), "node {node} is added twice");
                group.learners.insert(node);
                group.progress.insert(node, (0, self.now));
            }
            Order::RemoveLearner { configuration, node, .. } if configuration == group.configuration => {
                group.learners.remove(&node);
            }
            Order::ChangeVoters { configuration, voters, .. } if configuration == group.configuration => {
                let (lag_max, silent_max) = (self.driver.settings().lag_max, Duration::from_millis(STEP_MS));
                if !voters_are_safe(&report, leader, &voters, lag_max, silent_max) {
                    return;
                }
                if report.is_joint() {
                    assert_eq!(voters, group.voters, "another change within a joint one");
                    group.outgoing.clear();
                } else {
                    group.outgoing = std::mem::replace(&mut group.voters, voters.clone());
                    group.learners.retain(|node| !voters.contains(node));
                    // Sometimes the leader fails between the two halves.
                    if !self.fault(0.3) {
                        group.outgoing.clear();
                    }
                }
            }
            Order::TransferLeader { term, to, .. } if term == group.term => {
                let up = self.nodes.get(&to).is_some_and(|node| node.alive);
                if up && group.voters.contains(&to) {
                    self.set_matched(to, group.descriptor.id, group);
                    (group.leader, group.term) = (Some(to), group.term + 1);
                }
            }
            Order::Split { version, child, .. } if version == group.descriptor.version => {
                self.split(group, child);
            }
            _ => {}
        }
        let members = group.members();
        if report.names(leader) && (report.voters != group.voters || report.outgoing != group.outgoing)
            || report.learners != group.learners
        {
            // The entry is committed: those that were heard have it.
            group.last += 1;
            group.configuration = group.last;
            for node in members.iter().filter(|node| !group.learners.contains(node)) {
                if self.nodes.get(node).is_some_and(|node| node.alive) {
                    self.set_matched(*node, group.descriptor.id, group);
                }
            }
            group.committed = group.committed.max(self.committed(group));
        }
        group.progress.retain(|node, _| members.contains(node));
    }

    /// The upper half of the keys becomes the range `child`.
    fn split(&mut self, group: &mut Group, child: RangeId) {
        assert!(!self.groups.contains_key(&child), "range {child} is born twice");
        let keys = &mut group.descriptor.keys;
        // Keys are fractions of 64 bits, so that there is always a middle.
        let number = |key: &[u8]| {
            let mut bytes = [0; 8];
            bytes[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(bytes)
        };
        let (start, end) = (number(&keys.start), keys.end.as_ref().map_or(u64::MAX, |end| number(end)));
        let at = Key::copy_from_slice(&(start + (end - start) / 2).to_be_bytes());
        let upper = KeyRange { start: at.clone(), end: keys.end.replace(at) };
        group.descriptor.version += 1;
        group.bytes /= 2;
        let mut born = group.clone();
        born.descriptor = RangeDescriptor { id: child, keys: upper, ..group.descriptor.clone() };
        (born.configuration, born.term, born.last, born.committed) = (5, 1, 5, 5);
        born.progress.clear();
        let mut late = Vec::new();
        for node in born.members() {
            let replica = self.nodes.get(&node).and_then(|node| node.replicas.get(&group.descriptor.id));
            let has_applied = replica.is_some_and(|replica| replica.matched >= group.committed);
            if has_applied && !born.learners.contains(&node) {
                let replica = BORN;
                self.nodes.get_mut(&node).unwrap().replicas.insert(child, replica);
            } else if replica.is_some_and(|replica| replica.matched > 0) {
                late.push((self.now + self.rng.random_range(0..5_000), node, child));
            }
        }
        self.unborn.extend(late);
        self.groups.insert(child, born);
    }
}
