//! Random operations over several groups, with crashes anywhere: what is found afterwards is what was
//! asked for, at least as far as it was acknowledged.

use std::{collections::BTreeMap, mem, task::Poll};

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::{
    super::{Entry, GroupLog, Vote},
    Answer, Running, answer, entry, id,
};
use crate::{
    log_id::LogId,
    range::{NodeId, RangeId},
    testing::{Fault, SimulatedDisk},
};

/// A group as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    purged: Option<LogId>,
    vote: Option<Vote>,
    entries: Vec<Entry>,
}

impl Group {
    fn last(&self) -> Option<LogId> {
        self.entries.last().map(|entry| entry.id).or(self.purged)
    }
}

/// A range, and everything that it has been since it was last known to be durable.
#[derive(Default)]
struct Range {
    log: Option<GroupLog>,
    /// The last is what it is now; `None` is no group.
    history: Vec<Option<Group>>,
    /// Everything before this place in the history is over once the answer is there.
    answers: Vec<(Answer, usize)>,
    committed: Option<LogId>,
}

impl Range {
    fn now(&self) -> Option<Group> {
        self.history.last().cloned().flatten()
    }

    fn acknowledged(&self) -> usize {
        let given = |answer: &Answer| matches!(*answer.lock(), Some(Ok(())));
        self.answers.iter().rev().find(|(answer, _)| given(answer)).map_or(0, |(_, place)| *place)
    }
}

struct World {
    disk: SimulatedDisk,
    random: StdRng,
    running: Running,
    ranges: BTreeMap<RangeId, Range>,
    term: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let disk = SimulatedDisk::new();
        let mut random = StdRng::seed_from_u64(seed);
        let running = Running::open(&disk, random.random()).unwrap();
        let range = || Range { history: vec![None], ..Range::default() };
        let ranges = (1..=3).map(|number| (RangeId(number), range())).collect();
        Self { disk, random, running, ranges, term: 1 }
    }

    /// Most entries are short.
    fn length(random: &mut StdRng) -> usize {
        let max = if random.random_range(0..4) == 0 { 3000 } else { 100 };
        random.random_range(0..max)
    }

    /// One random operation on one range.
    fn operate(&mut self) {
        let number = RangeId(self.random.random_range(1..=3));
        let range = self.ranges.get_mut(&number).unwrap();
        let Some(mut group) = range.now() else {
            let floor = self.random.random_bool(0.7).then_some(id(1, self.random.random_range(0..9)));
            range.log = Some(self.running.log.group(number, floor));
            range.history.push(Some(Group { purged: floor, ..Group::default() }));
            range.committed = None;
            return;
        };
        let log = range.log.clone().unwrap();
        match self.random.random_range(0..20) {
            0..9 => {
                let next = group.last().map_or(self.random.random_range(0..3), |last| last.index + 1);
                let count = self.random.random_range(1..4);
                let entries: Vec<Entry> = (next..next + count)
                    .map(|index| entry(self.term, index, Self::length(&mut self.random)))
                    .collect();
                for entry in &entries {
                    group.entries.push(entry.clone());
                    range.history.push(Some(group.clone()));
                }
                let (answer, done) = answer();
                range.answers.push((answer, range.history.len() - 1));
                log.append(entries, done);
            }
            9..12 => {
                let kept = self.random.random_range(0..=group.entries.len());
                group.entries.truncate(kept);
                let after = group.last().map(|last| last.index);
                log.truncate_after(after).unwrap();
                range.history.push(Some(group));
                self.term += 1;
            }
            12..15 => {
                let Some(last) = group.last() else { return };
                let index = self.random.random_range(0..last.index + 3);
                let found = group.entries.iter().find(|entry| entry.id.index == index);
                let purged = found.map_or(id(self.term, index), |entry| entry.id);
                if group.purged.is_none_or(|before| before.index < index) {
                    group.purged = Some(purged);
                    group.entries.retain(|entry| entry.id.index > index);
                    log.purge(purged).unwrap();
                    range.history.push(Some(group));
                }
            }
            15..18 => {
                self.term += 1;
                let node = NodeId(self.random.random_range(1..4));
                let vote = Vote { term: self.term, node, committed: self.random.random_bool(0.5) };
                group.vote = Some(vote);
                range.history.push(Some(group));
                let (answer, done) = answer();
                range.answers.push((answer, range.history.len() - 1));
                log.save_vote(vote, done);
            }
            18 => {
                if let Some(last) = group.last() {
                    range.committed = range.committed.max(Some(last));
                    log.save_committed(last);
                }
            }
            _ => {
                range.log = None;
                range.history.push(None);
                let (answer, done) = answer();
                range.answers.push((answer, range.history.len() - 1));
                log.remove(done);
            }
        }
    }

    /// What can be read is what was asked for last, durable or not.
    fn check_now(&mut self) {
        for range in self.ranges.values() {
            let (Some(log), Some(group)) = (&range.log, range.now()) else { continue };
            let state = log.state();
            assert_eq!((state.purged, state.vote, state.last), (group.purged, group.vote, group.last()));
            let from = self.random.random_range(0..20);
            let to = from + self.random.random_range(0..20);
            let within: Vec<Entry> =
                group.entries.iter().filter(|e| (from..to).contains(&e.id.index)).cloned().collect();
            assert_eq!(log.entries(from, to, u64::MAX).unwrap(), within);
            let one: Vec<Entry> = log.entries(from, to, 0).unwrap();
            assert_eq!(one, within[..within.len().min(1)]);
        }
    }

    /// Opens what is left of the disk and checks it against all that it may be.
    fn reopen(&mut self, disk: SimulatedDisk) {
        // The worker answers nobody any more: what it did not answer may or may not be there.
        for range in self.ranges.values_mut() {
            let acknowledged = range.acknowledged();
            range.history.drain(..acknowledged);
            range.answers.clear();
            range.log = None;
        }
        self.disk = disk;
        self.running = Running::open(&self.disk, self.random.random()).unwrap();
        let present = self.running.log.groups();
        for (number, range) in &mut self.ranges {
            let mut found = None;
            if present.contains(number) {
                let log = self.running.log.group(*number, None);
                let state = log.state();
                let entries = log.entries(0, u64::MAX, u64::MAX).unwrap();
                assert!(state.committed <= state.last, "{state:?}");
                found = Some(Group { purged: state.purged, vote: state.vote, entries });
                range.log = Some(log);
                range.committed = state.committed;
            }
            assert!(range.history.contains(&found), "{number}: {found:?} of {:?}", range.history);
            range.history = vec![found];
        }
    }
}

fn run(seed: u64, steps: usize) {
    let mut world = World::new(seed);
    for _ in 0..steps {
        match world.random.random_range(0..100) {
            0..80 => {
                world.operate();
                if world.random.random_bool(0.2) {
                    world.check_now();
                }
            }
            80..92 => {
                assert!(world.running.work().is_pending());
                world.running.log.pinned();
            }
            92..94 => {
                // The process is killed, or the power cut, while nothing is written.
                let seed = world.random.random();
                let disk = match world.random.random_bool(0.3) {
                    true => world.disk.after_kill(),
                    false => world.disk.after_power_cut(seed),
                };
                world.reopen(disk);
            }
            94..98 => {
                world.disk.inject(Fault::Crash(world.random.random_range(0..12)));
                // Not an answer after the crash counts as one that was not given.
                let _stopped: Poll<_> = world.running.work();
                let disk = world.disk.after_power_cut(world.random.random());
                world.reopen(disk);
            }
            _ => {
                let disk = world.disk.clone();
                let running = mem::replace(&mut world.running, Running::open(&disk, 0).unwrap());
                running.close().unwrap();
                for range in world.ranges.values_mut() {
                    range.history = vec![range.now()];
                    range.answers.clear();
                }
                world.reopen(disk);
            }
        }
    }
}

#[test]
fn what_is_acknowledged_survives_crashes_anywhere() {
    let seeds = std::env::var("GENOMDB_LOG_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(300);
    for seed in 0..seeds {
        let ran = std::panic::catch_unwind(|| run(seed, 150));
        if let Err(panic) = ran {
            println!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
