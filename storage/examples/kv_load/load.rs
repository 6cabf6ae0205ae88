//! Closed loops of clients against any target, and what came of them.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use tokio::task::JoinSet;

use crate::latency::Latencies;

/// A store that takes puts and answers gets; what a put acknowledged, every later get sees.
pub(crate) trait Target: Send + Sync + 'static {
    /// What one client holds.
    type Client: Send + 'static;

    /// Another client.
    fn client(&self) -> Self::Client;

    /// Stores a value.
    fn put(
        client: &mut Self::Client,
        key: Bytes,
        value: Bytes,
    ) -> impl Future<Output = Result<(), String>> + Send;

    /// Reads a value, linearizably.
    fn get(
        client: &mut Self::Client,
        key: Bytes,
    ) -> impl Future<Output = Result<Option<Bytes>, String>> + Send;
}

/// What the clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Put random values at random keys.
    Put,
    /// Get random keys, all of which were put before.
    Get,
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// What is done.
    pub mode: Mode,
    /// By how many, each waiting for its answer before the next request.
    pub clients: u64,
    /// For how long.
    pub duration: Duration,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// How many keys there are.
    pub keys: u64,
    /// Whether all keys are put before.
    pub fill: bool,
}

impl Mode {
    /// In a word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    latencies: Latencies,
    errors: u64,
    first_error: Option<String>,
    elapsed: Duration,
}

impl Load {
    /// Runs it.
    pub(crate) async fn run<T: Target>(&self, target: T) -> Outcome {
        let target = Arc::new(target);
        if self.fill {
            self.fill(&*target).await;
        }
        let begin = Instant::now();
        let mut clients = JoinSet::new();
        for number in 0..self.clients {
            let (load, client) = (*self, target.client());
            clients.spawn(async move { load.client::<T>(client, number, begin).await });
        }
        let mut outcome = Outcome::default();
        while let Some(client) = clients.join_next().await {
            let client = client.unwrap();
            outcome.latencies.merge(&client.latencies);
            outcome.errors += client.errors;
            outcome.first_error = outcome.first_error.or(client.first_error);
        }
        outcome.elapsed = begin.elapsed();
        outcome
    }

    async fn fill<T: Target>(&self, target: &T) {
        const FILLERS: u64 = 64;
        let mut filling = JoinSet::new();
        for filler in 0..FILLERS {
            let (load, mut client) = (*self, target.client());
            filling.spawn(async move {
                let mut random = StdRng::seed_from_u64(filler);
                for number in (filler..load.keys).step_by(FILLERS as usize) {
                    T::put(&mut client, key(number), value(&mut random, load.value_bytes)).await.unwrap();
                }
            });
        }
        while let Some(filled) = filling.join_next().await {
            filled.unwrap();
        }
    }

    async fn client<T: Target>(self, mut client: T::Client, number: u64, begin: Instant) -> Outcome {
        let mut random = StdRng::seed_from_u64(number);
        let mut outcome = Outcome::default();
        while begin.elapsed() < self.duration {
            let key = key(random.random_range(0..self.keys));
            let done = match self.mode {
                Mode::Put => {
                    let value = value(&mut random, self.value_bytes);
                    let start = Instant::now();
                    T::put(&mut client, key, value).await.map(|()| start.elapsed())
                }
                Mode::Get => {
                    let start = Instant::now();
                    let got = T::get(&mut client, key).await;
                    got.and_then(|value| value.ok_or_else(|| "a key is missing".to_owned()))
                        .map(|_| start.elapsed())
                }
            };
            match done {
                Ok(latency) => outcome.latencies.add(latency),
                Err(error) => {
                    outcome.errors += 1;
                    outcome.first_error.get_or_insert(error);
                }
            }
        }
        outcome
    }
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("load/{number:012}"))
}

/// Random, so that nobody's compression helps.
fn value(random: &mut StdRng, bytes: usize) -> Bytes {
    let mut value = vec![0; bytes];
    random.fill_bytes(&mut value);
    Bytes::from(value)
}

impl Outcome {
    /// Operations that succeeded, by the second.
    pub(crate) fn operations_per_second(&self) -> f64 {
        self.latencies.count() as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency, in microseconds, that this share of all does not exceed.
    pub(crate) fn quantile_us(&self, share: f64) -> f64 {
        self.latencies.quantile_us(share)
    }

    /// A run with errors measures something else.
    pub(crate) fn assert_no_errors(&self) {
        assert_eq!(self.errors, 0, "{:?}", self.first_error);
    }

    /// One line of JSON.
    pub(crate) fn json(&self, target: &str, load: &Load) -> String {
        let operations = self.latencies.count();
        let mode = load.mode.name();
        let error = self.first_error.as_deref().unwrap_or_default().replace(['"', '\\'], "'");
        format!(
            "{{\"target\":\"{target}\",\"mode\":\"{mode}\",\"clients\":{},\"value_bytes\":{},\"keys\":{},\
             \"seconds\":{:.2},\"operations\":{operations},\"operations_per_second\":{:.0},\
             \"p50_us\":{:.0},\"p99_us\":{:.0},\"errors\":{},\"first_error\":\"{error}\"}}",
            load.clients,
            load.value_bytes,
            load.keys,
            self.elapsed.as_secs_f64(),
            self.operations_per_second(),
            self.quantile_us(0.5),
            self.quantile_us(0.99),
            self.errors,
        )
    }
}
