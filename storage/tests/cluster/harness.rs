//! What would the tests notice? Parts of the store are switched off, one at a time: then what callers
//! see is wrong, and the judges say so; with everything on, the same scenes are in order.

use std::sync::{Arc, Barrier};

use genomdb_storage::{
    Config, Key, Sabotage, Storage,
    testing::history::{Action, Answer, Consistency, Request, once},
};

use super::{
    load::{self, Asked, Recorder},
    node::client_config,
    testbed::{Testbed, pause, wait},
};

fn request(key: &str, action: Action) -> Request {
    Request { key: Key::from(key.to_owned()), action }
}

/// A part of the store that is switched off is noticed, and the scene is in order with it.
#[track_caller]
fn check(scene: impl Fn(&str) -> Result<(), String>, part: &str) {
    /// A scene may end well by chance.
    const ROUNDS: usize = 5;
    assert_eq!(scene(""), Ok(()));
    let noticed = (0..ROUNDS).find_map(|_| scene(part).err());
    println!("noticed: {}", noticed.expect("a store without a part of it passed for a right one"));
}

/// A leader is cut off from the others, which go on without it; its callers still reach it. Without
/// namespaces it stands still, and goes on with a request that waited for it.
fn cut_off(sabotage: &str) -> Result<(), String> {
    let change = |options: &mut super::node::NodeOptions| options.sabotage = sabotage.to_owned();
    let mut testbed = Testbed::start_apart(3, change).unwrap_or_else(|| Testbed::start(3, change));
    let recorder = Recorder::new();
    let ask = |storage: &Storage, action: Action| {
        wait(recorder.ask(storage, recorder.process(), request("k", action)));
    };
    let leader = testbed.leader_of("k");
    let old = testbed.storage();
    ask(&old, Action::Put("1".into()));
    ask(&old, Action::Get(Consistency::Linearizable));
    let others: Vec<String> =
        (1..=3).filter(|node| *node != leader).map(|node| testbed.address(node)).collect();
    let new = Storage::connect(&others, client_config()).unwrap();

    match &testbed.net {
        Some(net) => net.part_from_all(leader),
        None => testbed.pause(leader),
    }
    ask(&new, Action::Put("2".into()));
    // Long enough for what may be stale to be too stale, too short for the old leader to notice.
    pause(400);
    testbed.resume(leader);
    ask(&old, Action::Get(Consistency::BoundedStale(load::STALE.as_nanos() as u64)));
    ask(&old, Action::Get(Consistency::Linearizable));
    let history = recorder.history.lock().unwrap();
    let answered = history.calls().iter().filter(|call| call.answer().is_some()).count();
    assert_eq!(answered, history.calls().len(), "a request was not answered");
    load::judge(&history).map(drop)
}

#[test]
fn harness_a_leader_that_is_cut_off_answers_nothing_old() {
    check(cut_off, "r");
}

/// A range is split, and the halves are led by different nodes; one caller has not heard of it.
fn stale_route(sabotage: &str) -> Result<(), String> {
    let mut testbed = Testbed::start(3, |options| options.sabotage = sabotage.to_owned());
    let recorder = Recorder::new();
    let (old, new) = (testbed.storage(), testbed.storage());
    let opening = request("z", Action::Add(1));
    wait(recorder.ask(&old, recorder.process(), opening));
    testbed.split_at("m");
    let (parent, range) = (testbed.leader_of("a"), testbed.range_of("z"));
    let to = range.voters.iter().find(|node| node.0 != parent).copied().unwrap();
    let id = range.descriptor.id;
    testbed.order("the child is led by another", |admin| admin.transfer_leader(id, to));
    testbed.stands("the child is led by another", |status| {
        status.ranges.iter().any(|range| range.descriptor.id == id && range.leader == Some(to))
    });
    let barrier = Arc::new(Barrier::new(2));
    let callers = [old, new].map(|storage| {
        let (recorder, barrier) = (Arc::clone(&recorder), Arc::clone(&barrier));
        std::thread::spawn(move || {
            barrier.wait();
            for _ in 0..40 {
                wait(recorder.ask(&storage, recorder.process(), request("z", Action::Add(1))));
            }
        })
    });
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    load::judge(&recorder.history.lock().unwrap()).map(drop)
}

#[test]
fn harness_a_range_that_takes_requests_for_what_it_was_is_noticed() {
    check(stale_route, "v");
}

/// Callers add to a counter while leaders are killed, again and again.
fn lost_answers(sabotage: &str) -> Result<(), String> {
    let mut testbed = Testbed::start(3, |_| {});
    let recorder = Recorder::new();
    let sabotage = Sabotage { no_sessions: sabotage.contains('s'), ..Sabotage::default() };
    let config = Config { sabotage, ..client_config() };
    let adders: Vec<_> = (0..16)
        .map(|_| {
            let storage = Storage::connect(&testbed.addresses(), config.clone()).unwrap();
            let recorder = Arc::clone(&recorder);
            std::thread::spawn(move || {
                wait(async {
                    while recorder.goes_on() {
                        recorder.ask(&storage, recorder.process(), request("c", Action::Add(1))).await;
                    }
                });
            })
        })
        .collect();
    for _ in 0..3 {
        let before = recorder.history.lock().unwrap().calls().len();
        super::testbed::until("callers go on", || match recorder.history.lock().unwrap().calls().len() {
            now if now > before + 40 => Ok(()),
            now => Err(format!("{now} calls")),
        });
        let leader = testbed.leader_of("c");
        testbed.kill(leader);
        testbed.restart(leader);
    }
    recorder.stop();
    adders.into_iter().for_each(|adder| adder.join().unwrap());
    let last = request("c", Action::Get(Consistency::Linearizable));
    let Asked::Answered(Answer::Value(Some(found))) =
        wait(recorder.ask(&testbed.storage(), recorder.process(), last))
    else {
        panic!("the counter was not read")
    };
    let found = std::str::from_utf8(&found).unwrap().parse().unwrap();
    let history = recorder.history.lock().unwrap();
    once::check_counter(&history, &"c".into(), found, 1_000_000).map_err(|error| error.to_string())?;
    load::judge(&history).map(drop)
}

#[test]
fn harness_a_retry_that_is_done_again_is_noticed() {
    check(lost_answers, "s");
}
