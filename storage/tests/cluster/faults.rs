//! Three nodes under load, cut off from each other, killed, stopped and started: what callers were told
//! stays true.
//!
//! `GENOMDB_FAULTS_SECONDS` says for how long, `GENOMDB_SEED` repeats the faults of a run (not its
//! timing), `GENOMDB_HISTORY=file` keeps what callers saw as JSON.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use genomdb_storage::{
    Key, Value,
    testing::history::{Action, Consistency, Request, json, workload::Workload},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    bank::Bank,
    load::{self, Recorder, Watcher},
    testbed::{Testbed, pause, until, wait},
};

const NODES: u64 = 3;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Faults that were made, by name.
type Faults = BTreeMap<&'static str, u32>;

/// Makes one fault after the other, until the time is over; then everything is healthy again.
fn make_faults(testbed: &mut Testbed, random: &mut SmallRng, until: Instant) -> Faults {
    let mut faults = Faults::new();
    if std::env::var_os("GENOMDB_NO_FAULTS").is_some() {
        pause(until.saturating_duration_since(Instant::now()).as_millis() as u64);
    }
    while Instant::now() < until {
        let node = random.random_range(1..=NODES);
        let other = node % NODES + 1;
        let leader = leader(testbed).filter(|_| random.random_bool(0.6)).unwrap_or(node);
        let apart = testbed.net.is_some();
        let name = match random.random_range(0..10) {
            0 if apart => {
                testbed.net.as_ref().unwrap().part_from_all(leader);
                "partition"
            }
            1 if apart => {
                testbed.net.as_ref().unwrap().drop_packets(leader, leader % NODES + 1);
                "one-way partition"
            }
            2 if apart => {
                testbed.net.as_ref().unwrap().part(node, other);
                "partition of two"
            }
            3 if apart => {
                testbed.net.as_ref().unwrap().unplug(leader);
                "unplugged"
            }
            4 | 5 => {
                testbed.kill(leader);
                "kill -9"
            }
            6 => {
                testbed.pause(leader);
                "SIGSTOP"
            }
            7 => {
                testbed.stop(node);
                "stop"
            }
            8 => {
                (1..=NODES).for_each(|node| testbed.kill(node));
                "kill -9 of all"
            }
            _ => {
                testbed.pause(node);
                testbed.kill(other);
                "SIGSTOP and kill -9"
            }
        };
        *faults.entry(name).or_default() += 1;
        pause(random.random_range(300..2500));
        heal(testbed);
        pause(random.random_range(100..2000));
    }
    faults
}

fn heal(testbed: &mut Testbed) {
    if let Some(net) = &testbed.net {
        net.heal();
    }
    for node in 1..=NODES {
        if testbed.runs(node) {
            testbed.resume(node);
        } else {
            testbed.restart(node);
        }
    }
}

fn leader(testbed: &mut Testbed) -> Option<u64> {
    let status = testbed.status().ok()?;
    status.ranges.iter().find(|range| range.descriptor.keys.contains(b"m/"))?.leader.map(|leader| leader.0)
}

/// Splits ranges now and then and asks others to lead, while there are faults.
fn make_moves(testbed: &Testbed, recorder: &Arc<Recorder>, seed: u64) -> JoinHandle<(u32, u32)> {
    let admin = genomdb_storage::Admin::connect(&testbed.addresses()).unwrap();
    let recorder = Arc::clone(recorder);
    let mut random = SmallRng::seed_from_u64(seed);
    std::thread::spawn(move || {
        let (mut transfers, mut splits) = (0, 0);
        while recorder.goes_on() {
            pause(random.random_range(500..3000));
            let Ok(status) = admin.status() else { continue };
            let range = &status.ranges[random.random_range(0..status.ranges.len())];
            let to = status.nodes[random.random_range(0..status.nodes.len())].id;
            let id = range.descriptor.id;
            if random.random_bool(0.8) {
                transfers += u32::from(admin.transfer_leader(id, to).is_ok());
            } else if status.ranges.len() < 12 && range.bytes > 2000 {
                splits += u32::from(admin.split(id, None).is_ok());
            }
        }
        (transfers, splits)
    })
}

#[test]
fn nothing_is_lost_or_seen_twice_under_faults() {
    let seed = setting("GENOMDB_SEED").unwrap_or_else(rand::random);
    let seconds = setting("GENOMDB_FAULTS_SECONDS").unwrap_or(25);
    println!("GENOMDB_SEED={seed} for {seconds} s");
    // Short logs, so that whoever was away gets a snapshot.
    let change = |options: &mut super::node::NodeOptions| options.log_bytes_max = 64 << 10;
    let mut testbed = Testbed::start_apart(NODES, change).unwrap_or_else(|| Testbed::start(NODES, change));
    testbed.split_at("h");
    testbed.split_at("p");

    let recorder = Recorder::new();
    let storage = testbed.storage();
    let workloads = ["a/", "m/", "z/"].map(|prefix| {
        // Many keys with few calls each are judged faster.
        let keys = 4 + usize::try_from(seconds).unwrap() / 2;
        Arc::new(Mutex::new(Workload::new(load::everything(), prefix, keys)))
    });
    let mut callers = Vec::new();
    for (number, workload) in (0..).zip(&workloads) {
        let stores = vec![testbed.storage(), testbed.storage()];
        callers.extend(load::callers(&recorder, stores, workload, seed + number));
    }
    let watcher = Watcher::start(testbed.storage(), "n/w/", "n/w/last");
    let writers = ["c/w/", "n/w/", "x/w/"].map(|prefix| load::writer(&recorder, testbed.storage(), prefix));
    let bank = Bank::open(&storage, &["a", "b", "m", "n", "y", "z"]);
    callers.extend((0..2).map(|caller| bank.caller(&recorder, testbed.storage(), seed + caller)));
    let moves = make_moves(&testbed, &recorder, seed);

    let mut random = SmallRng::seed_from_u64(seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    let faults = make_faults(&mut testbed, &mut random, end);
    testbed.settled();
    recorder.stop();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    let (transfers, splits) = moves.join().unwrap();
    let acknowledged: BTreeMap<Key, Value> =
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect();
    let last = Request { key: "n/w/last".into(), action: Action::Put("last".into()) };
    wait(recorder.ask(&storage, recorder.process(), last));
    // What everything is in the end belongs to the history.
    for workload in &workloads {
        for key in workload.lock().unwrap().registers() {
            let request = Request { key, action: Action::Get(Consistency::Linearizable) };
            wait(recorder.ask(&storage, recorder.process(), request));
        }
    }

    let history = recorder.history.lock().unwrap().clone();
    if let Ok(file) = std::env::var("GENOMDB_HISTORY") {
        std::fs::write(file, json::export(&history)).unwrap();
    }
    let lost: Vec<&Key> = acknowledged
        .iter()
        .filter(|(key, value)| wait(storage.get((*key).clone())).unwrap().as_ref() != Some(*value))
        .map(|(key, _)| key)
        .collect();
    assert!(lost.is_empty(), "acknowledged writes are lost: {lost:?}");
    let judgement = load::judge(&history).unwrap();
    for workload in &workloads {
        let workload = workload.lock().unwrap().clone();
        wait(load::judge_the_end(&history, &storage, &workload)).unwrap();
    }
    let (report, transferred) = bank.judge(&recorder, &storage).unwrap();
    let (watched, forgotten) = watcher.check(&history);
    testbed.replicas_are_equal();
    println!(
        "{judgement:?}, {} written once and found, {watched} watched (begun again {forgotten} times), {transferred} transfers, {report:?}, \
         faults {faults:?}, {transfers} leaders moved, {splits} splits, in namespaces: {}",
        acknowledged.len(),
        testbed.net.is_some()
    );
    until("callers were busy", || match judgement.answered > 100 && transferred > 0 {
        true => Ok(()),
        false => Err(format!("{judgement:?}, {transferred} transfers")),
    });
}
