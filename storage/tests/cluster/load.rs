//! Callers that ask for all kinds of things all the time, and what they were told, as a history.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use genomdb_storage::{
    Freshness, Key, KeyRange, Position, ScanLimit, Storage, StorageError, Value, WatchEvent,
    testing::history::{
        Action, Answer, Completion, Consistency, KeyHistory, Request,
        linearizable::{self, Budget, Verdict},
        once, session,
        watch::{self, Change, Stretch},
        workload::{Mix, Workload},
    },
};
use rand::{SeedableRng as _, rngs::SmallRng};

use super::testbed::wait;

/// What all callers share: one history with one clock, and whether to go on.
pub(crate) struct Recorder {
    begun: Instant,
    pub(crate) history: Mutex<KeyHistory>,
    processes: AtomicU64,
    stopped: AtomicBool,
    /// Errors that say nothing about the store but that it did not answer.
    pub(crate) unavailable: AtomicU64,
    pub(crate) unknown: AtomicU64,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: Instant::now(),
            history: Mutex::default(),
            processes: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            unavailable: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
        })
    }

    /// Nanoseconds since it began.
    pub(crate) fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn goes_on(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn process(&self) -> u64 {
        self.processes.fetch_add(1, Ordering::Relaxed)
    }

    /// Asks, and notes what became of it; `None` if that is not known.
    pub(crate) async fn ask(&self, storage: &Storage, process: u64, request: Request) -> Asked {
        let call = self.history.lock().unwrap().invoke(process, self.now(), request.clone());
        let answer = answer(storage, &request).await;
        let at = self.now();
        let mut history = self.history.lock().unwrap();
        match answer {
            Ok(answer) => {
                history.ok(call, at, answer.clone());
                Asked::Answered(answer)
            }
            Err(StorageError::Unknown { .. }) => {
                self.unknown.fetch_add(1, Ordering::Relaxed);
                Asked::Unknown
            }
            Err(StorageError::Unavailable { .. }) => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                history.failed(call, at);
                Asked::Failed
            }
            Err(other) => panic!("{} of {:?}: {other}", request.action, request.key),
        }
    }
}

/// What became of a request.
pub(crate) enum Asked {
    Answered(Answer),
    Failed,
    Unknown,
}

async fn answer(storage: &Storage, request: &Request) -> Result<Answer, StorageError> {
    let key = request.key.clone();
    Ok(match request.action.clone() {
        Action::Get(Consistency::Linearizable) => Answer::Value(storage.get(key).await?),
        Action::Get(Consistency::BoundedStale(bound)) => {
            // Nodes tell their time to the millisecond.
            let bound = Duration::from_nanos(bound).saturating_sub(Duration::from_millis(5));
            Answer::Value(storage.with_freshness(Freshness::Stale(bound)).get(key).await?)
        }
        Action::Put(value) => {
            storage.put(key, value).await?;
            Answer::Done
        }
        Action::Delete => {
            storage.delete(key).await?;
            Answer::Done
        }
        Action::CompareAndSet { expected, new } => {
            Answer::Swapped(storage.compare_and_set(key, expected, new).await?)
        }
        Action::Add(change) => Answer::Counter(storage.add(key, change).await?),
        Action::Push(end, value) => Answer::Length(storage.push(key, end, value).await?),
        Action::Pop(end) => Answer::Value(storage.pop(key, end).await?),
    })
}

/// How stale a read may be that may be.
pub(crate) const STALE: Duration = Duration::from_millis(300);

/// Operations of everything, with reads that may be stale.
pub(crate) fn everything() -> Mix {
    Mix { stale_ticks: STALE.as_nanos() as u64, ..Mix::ALL }
}

/// Callers of a workload, each a thread with a store of its own, until the recorder is stopped.
pub(crate) fn callers(
    recorder: &Arc<Recorder>,
    stores: Vec<Storage>,
    workload: &Arc<Mutex<Workload>>,
    seed: u64,
) -> Vec<JoinHandle<()>> {
    let caller = |(number, storage): (usize, Storage)| {
        let (recorder, workload) = (Arc::clone(recorder), Arc::clone(workload));
        let mut random = SmallRng::seed_from_u64(seed.wrapping_mul(1000) + number as u64);
        std::thread::spawn(move || {
            wait(async {
                let mut process = recorder.process();
                while recorder.goes_on() {
                    let request = workload.lock().unwrap().next(process, &mut random);
                    match recorder.ask(&storage, process, request.clone()).await {
                        Asked::Answered(answer) => workload.lock().unwrap().observe(&request, &answer),
                        Asked::Failed => {}
                        // That one may still be under way.
                        Asked::Unknown => process = recorder.process(),
                    }
                }
            });
        })
    };
    stores.into_iter().enumerate().map(caller).collect()
}

/// A caller that writes each key once, for what was acknowledged to be found at the end.
pub(crate) fn writer(
    recorder: &Arc<Recorder>,
    storage: Storage,
    prefix: &str,
) -> JoinHandle<BTreeMap<Key, Value>> {
    let (recorder, prefix) = (Arc::clone(recorder), prefix.to_owned());
    std::thread::spawn(move || {
        wait(async {
            let mut acknowledged = BTreeMap::new();
            let mut number = 0_u64;
            while recorder.goes_on() {
                number += 1;
                let key = Key::from(format!("{prefix}{number:08}"));
                let value = Value::from(format!("{prefix}{number}"));
                let action = Action::Put(value.clone());
                let request = Request { key: key.clone(), action };
                if let Asked::Answered(_) = recorder.ask(&storage, recorder.process(), request).await {
                    acknowledged.insert(key, value);
                }
            }
            acknowledged
        })
    })
}

/// A watcher of keys that are written once, from now until it has seen `last`.
pub(crate) struct Watcher {
    keys: KeyRange,
    thread: JoinHandle<(Vec<Stretch>, u32)>,
}

/// What a watcher has seen.
struct Watched {
    stretch: Stretch,
    /// Read when changes were forgotten: they may be told as well.
    read: BTreeSet<Key>,
    seen: BTreeSet<Key>,
}

impl Watched {
    fn see(&mut self, key: Key, value: Value) {
        let position = self.stretch.changes.len() as u64 + 1;
        self.seen.insert(key.clone());
        self.stretch.changes.push(Change { position, key, value: Some(value) });
    }

    fn told(&mut self, event: WatchEvent) {
        let WatchEvent::Put { key, value: Some(value) } = event else {
            panic!("not of this workload: {event:?}");
        };
        if !self.read.remove(&key) {
            self.see(key, value);
        }
    }

    /// Begins again where changes are no longer known, as whoever watches must.
    async fn begin_again(
        &mut self,
        storage: &Storage,
        keys: &KeyRange,
    ) -> Result<Vec<Position>, StorageError> {
        let positions = storage.watch_from_now(keys.clone()).await?;
        let mut rest = Some(keys.clone());
        let mut found = Vec::new();
        while let Some(range) = rest.take() {
            let page = storage.scan(range, ScanLimit::default()).await?;
            found.extend(page.entries);
            rest = page.next;
        }
        self.read.clear();
        for (key, value) in found {
            if !self.seen.contains(&key) {
                self.read.insert(key.clone());
                self.see(key, value);
            }
        }
        Ok(positions)
    }
}

impl Watcher {
    pub(crate) fn start(storage: Storage, prefix: &str, last: &str) -> Self {
        let (keys, last) = (KeyRange::prefix(prefix.to_owned()), Key::from(last.to_owned()));
        let mut positions = wait(storage.watch_from_now(keys.clone())).unwrap();
        let watched = keys.clone();
        let thread = std::thread::spawn(move || {
            let stretch = Stretch { after: 0, changes: Vec::new() };
            let mut seen = Watched { stretch, read: BTreeSet::new(), seen: BTreeSet::new() };
            let mut forgotten = 0;
            wait(async {
                while !seen.seen.contains(&last) {
                    match storage.watch(positions.clone(), Duration::from_millis(500)).await {
                        Ok(page) => {
                            positions = page.positions;
                            page.events.into_iter().for_each(|event| seen.told(event));
                        }
                        Err(StorageError::Unavailable { .. }) => {}
                        // Another node tells now, or the same one again, and knows only what came since.
                        Err(StorageError::Compacted { .. }) => {
                            forgotten += 1;
                            if let Ok(from) = seen.begin_again(&storage, &watched).await {
                                positions = from;
                            }
                        }
                        Err(other) => panic!("a watch: {other}"),
                    }
                }
                (vec![seen.stretch], forgotten)
            })
        });
        Self { keys, thread }
    }

    /// Judges what it saw.
    #[track_caller]
    pub(crate) fn check(self, history: &KeyHistory) -> (usize, u32) {
        let (stretches, forgotten) = self.thread.join().unwrap();
        let seen = stretches.iter().map(|stretch| stretch.changes.len()).sum();
        if let Err(error) = watch::check_against_history(history, &self.keys, &stretches) {
            panic!("a watcher: {error}");
        }
        (seen, forgotten)
    }
}

/// What a history says about a store.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) calls: usize,
    pub(crate) answered: usize,
    pub(crate) failed: usize,
    pub(crate) unknown: usize,
    pub(crate) undecided: usize,
}

/// Judges a history; the error is what is wrong.
pub(crate) fn judge(history: &KeyHistory) -> Result<Judgement, String> {
    let mut judgement = Judgement { calls: history.calls().len(), ..Judgement::default() };
    for call in history.calls() {
        match call.completion {
            Completion::Ok { .. } => judgement.answered += 1,
            Completion::Failed { .. } => judgement.failed += 1,
            Completion::Unknown => judgement.unknown += 1,
        }
    }
    match linearizable::check(history, Budget::default()) {
        Verdict::Linearizable => {}
        Verdict::Violated(violation) => return Err(violation.to_string()),
        Verdict::Undecided(keys) => judgement.undecided = keys.len(),
    }
    let strict: KeyHistory =
        history.calls().iter().filter(|call| !is_stale(&call.action.action)).cloned().collect();
    session::check(&strict).map_err(|error| error.to_string())?;
    Ok(judgement)
}

fn is_stale(action: &Action) -> bool {
    matches!(action, Action::Get(Consistency::BoundedStale(_)))
}

/// Judges what counters and deques hold at the end.
pub(crate) async fn judge_the_end(
    history: &KeyHistory,
    storage: &Storage,
    workload: &Workload,
) -> Result<(), String> {
    for key in workload.counters() {
        let found = storage.get(key.clone()).await.unwrap();
        let found = found.map_or(0, |found| std::str::from_utf8(&found).unwrap().parse().unwrap());
        once::check_counter(history, &key, found, 1_000_000).map_err(|error| error.to_string())?;
    }
    for key in workload.deques() {
        let (_, elements) = storage.deque(key.clone(), 0, Default::default()).await.unwrap();
        once::check_deque(history, &key, &elements).map_err(|error| error.to_string())?;
    }
    Ok(())
}
