//! Long histories: right ones pass, and fast; ones with a mistake put in are found.

use proptest::{prelude::*, test_runner::Config};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::super::{
    Action, Answer, Call, Completion, Consistency, KeyHistory, Request, json,
    linearizable::{Budget, Verdict, check},
    once, session,
    simulated::{Simulation, simulate},
    workload::Mix,
};
use super::value;
use crate::kv::Value;

const MIXES: [Mix; 4] = [Mix::REGISTERS, Mix::COUNTERS, Mix::DEQUES, Mix::ALL];

fn simulations() -> impl Strategy<Value = (Simulation, u64)> {
    let numbers = (0..MIXES.len(), 1..4_usize, 1..25_u64, 1..400_usize, 0..200_u64);
    (numbers, 0.0..0.2, 0.0..0.1, any::<u64>()).prop_map(|(numbers, unknown, failed, seed)| {
        let (mix, keys, processes, calls, latency_max) = numbers;
        // Deques with many callers take long.
        let (processes, calls) =
            if mix < 2 { (processes, calls) } else { (processes % 5 + 1, calls % 120 + 1) };
        let mix = MIXES[mix];
        (Simulation { mix, keys, processes, calls, latency_max, unknown, failed }, seed)
    })
}

proptest! {
    #![proptest_config(Config::with_cases(60))]

    #[test]
    fn what_a_right_store_does_passes((simulation, seed) in simulations()) {
        let (history, end) = simulate(&simulation, seed);
        prop_assert_eq!(check(&history, Budget::default()), Verdict::Linearizable);
        for (key, values) in end {
            let text = String::from_utf8_lossy(&key).into_owned();
            if text.starts_with('c') {
                let number = values.first().map_or(0, |value| String::from_utf8_lossy(value).parse().unwrap());
                prop_assert_eq!(once::check_counter(&history, &key, number, 100_000), Ok(()));
                let more = number + 1_000_000;
                prop_assert!(once::check_counter(&history, &key, more, 100_000).is_err());
            } else if text.starts_with('d') {
                prop_assert_eq!(once::check_deque(&history, &key, &values), Ok(()));
                if let Some(first) = values.first() {
                    let twice: Vec<Value> = values.iter().chain([first]).cloned().collect();
                    prop_assert!(once::check_deque(&history, &key, &twice).is_err());
                }
            }
        }
    }

    #[test]
    fn json_gives_back_what_it_was_given((simulation, seed) in simulations()) {
        let (history, _) = simulate(&simulation, seed);
        prop_assert_eq!(json::import(&json::export(&history)).unwrap(), history);
    }

    #[test]
    fn sessions_of_linearizable_histories_are_right((mut simulation, seed) in simulations()) {
        simulation.mix.get_stale = 0;
        let (history, _) = simulate(&simulation, seed);
        prop_assert_eq!(session::check(&history), Ok(()));
    }

    #[test]
    fn text_that_is_no_history_is_an_error(text in "\\PC*", bytes in "\\[(\\{\"(process|key|action)\":(1|\"get\"|\"0xg\")\\},?){0,3}\\]") {
        prop_assert!(text.trim() == "[]" || json::import(&text).is_err());
        prop_assert!(bytes == "[]" || json::import(&bytes).is_err());
    }
}

#[test]
fn bytes_that_are_no_text_survive_json() {
    for bytes in [&b""[..], b"0x", b"0x41", b"\xff\x00", "ä".as_bytes(), b"a\nb", b"\"\\"] {
        let action = Action::CompareAndSet { expected: None, new: Value::copy_from_slice(bytes) };
        let request = Request { key: Value::copy_from_slice(bytes), action };
        let history: KeyHistory =
            [Call { process: 1, invoked: u64::MAX, action: request, completion: Completion::Unknown }]
                .into_iter()
                .collect();
        assert_eq!(json::import(&json::export(&history)).unwrap(), history);
    }
}

/// Changes one answer to one that a store must not give; false if there is none to change.
fn spoil(calls: &mut [Call<Request, Answer>], random: &mut SmallRng) -> bool {
    let start = random.random_range(0..calls.len());
    for index in (start..calls.len()).chain(0..start) {
        let call = &mut calls[index];
        let Completion::Ok { result, .. } = &mut call.completion else { continue };
        match (&call.action.action, result) {
            (Action::Get(_) | Action::Pop(_), Answer::Value(found)) => {
                *found = Some(value("nobody wrote this"))
            }
            (Action::Add(_), Answer::Counter(sum)) => *sum += 1_000_000,
            (Action::Push(..), Answer::Length(length)) => *length += 1_000_000,
            _ => continue,
        }
        return true;
    }
    false
}

#[test]
fn one_wrong_answer_among_many_is_found() {
    for seed in 0..24 {
        let mix = MIXES[seed as usize % 4];
        let simulation = Simulation {
            mix,
            keys: 2,
            processes: 5,
            calls: 200,
            latency_max: 60,
            unknown: 0.03,
            failed: 0.03,
        };
        let mut calls = simulate(&simulation, seed).0.calls().to_vec();
        let mut random = SmallRng::seed_from_u64(seed);
        assert!(spoil(&mut calls, &mut random));
        let verdict = check(&calls.into_iter().collect(), Budget::default());
        assert!(verdict.is_violated(), "seed {seed}: {verdict:?}");
    }
}

/// A read that answers what was there long before.
#[test]
fn an_old_value_among_many_is_found() {
    let mix = Mix { get: 50, put: 50, delete: 0, compare_and_set: 0, ..Mix::REGISTERS };
    for seed in 0..10 {
        let simulation = Simulation {
            mix,
            keys: 1,
            processes: 20,
            calls: 1_000,
            latency_max: 40,
            unknown: 0.01,
            failed: 0.0,
        };
        let mut calls = simulate(&simulation, seed).0.calls().to_vec();
        let reads: Vec<usize> = (0..calls.len())
            .filter(|index| matches!(calls[*index].answer(), Some((_, Answer::Value(Some(_))))))
            .collect();
        let (early, late) = (reads[reads.len() / 4], reads[reads.len() * 3 / 4]);
        assert_eq!(calls[late].action.action, Action::Get(Consistency::Linearizable));
        let old = calls[early].answer().unwrap().1.clone();
        let at = calls[late].ends().unwrap();
        calls[late].completion = Completion::Ok { at, result: old };
        let Verdict::Violated(violation) = check(&calls.into_iter().collect(), Budget::default()) else {
            panic!("seed {seed}: not found");
        };
        assert!(violation.at <= at + 200, "seed {seed}: {violation}");
    }
}

const DEQUE_PROCESSES: u64 = 8;

/// What tests with real processes will ask; printed with `--nocapture`, in seconds.
#[test]
fn long_histories_are_judged_in_time() {
    let scale = std::env::var("SCALE").map_or(1, |scale| scale.parse().unwrap());
    let without_swaps = Mix { compare_and_set: 0, ..Mix::REGISTERS };
    let stale = Mix { get_stale: 40, stale_ticks: 500, ..Mix::REGISTERS };
    // Deques are the hardest: an answer says little until the element is popped, long after.
    for (name, mix, unknown, processes) in [
        ("registers", Mix::REGISTERS, 0.02, 50),
        ("registers without swaps", without_swaps, 0.1, 50),
        ("registers, stale", stale, 0.02, 50),
        ("counters", Mix::COUNTERS, 0.02, 50),
        ("deques", Mix::DEQUES, 0.005, DEQUE_PROCESSES),
    ] {
        let calls = if name == "deques" { 400 } else { 2_000 * scale };
        let simulation =
            Simulation { mix, keys: 1, processes, calls, latency_max: 100, unknown, failed: 0.01 };
        let (history, _) = simulate(&simulation, 7);
        let start = std::time::Instant::now();
        let verdict = check(&history, Budget::default());
        eprintln!("{name}: {calls} calls, {:?}, {:?}", start.elapsed(), verdict.is_linearizable());
        assert_eq!(verdict, Verdict::Linearizable, "{name}");
    }
}
