//! The network: requests take drawn times, and arrive or not as the nemesis has it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use openraft::{AsyncRuntime, Instant as _};
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use tokio::sync::oneshot;
use xxhash_rust::xxh3::xxh3_64;

use super::trace::{Trace, now};
use crate::{
    network::{CallError, Handler, Lane, Transport},
    range::NodeId,
    rpc::Peer,
    runtime::Runtime,
};

/// Who sends: the number of a node, or a larger one of somebody outside.
pub(super) type Place = u64;

/// Where those outside the cluster stand.
pub(super) const OUTSIDE: Place = 1000;

/// The network of a run.
pub(super) struct SimulatedNetwork {
    state: Mutex<State>,
    trace: Arc<Trace>,
    duplicates: f64,
}

struct State {
    random: SmallRng,
    /// Who answers for a node, and which life of it that is.
    served: BTreeMap<NodeId, (u64, Arc<dyn Handler>)>,
    /// Which life of a node may send.
    lives: BTreeMap<Place, u64>,
    rules: Rules,
    calls: u64,
}

/// What the nemesis does to the network.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// Ways that nothing gets through, each in one direction.
    pub(super) cut: BTreeSet<(Place, Place)>,
    /// How long a message takes at most.
    pub(super) delay_max: Duration,
    /// How likely a message is lost.
    pub(super) loss: f64,
    /// Until when messages of a node wait.
    pub(super) held: BTreeMap<Place, Duration>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { cut: BTreeSet::new(), delay_max: Duration::from_millis(4), loss: 0.0, held: BTreeMap::new() }
    }
}

/// What happens to a request, drawn when it is sent.
struct Plan {
    number: u64,
    delay: Duration,
    /// How long the answer takes; none if it is lost.
    back: Option<Duration>,
    /// A second copy, of which nobody takes the answer.
    copy: Option<Duration>,
    lost: bool,
    /// Whether a dead node is noticed at once.
    notices: bool,
}

impl SimulatedNetwork {
    pub(super) fn new(seed: u64, duplicates: f64, trace: Arc<Trace>) -> Arc<Self> {
        let state = State {
            random: SmallRng::seed_from_u64(seed ^ 0x6e65_7477),
            served: BTreeMap::new(),
            lives: BTreeMap::new(),
            rules: Rules::default(),
            calls: 0,
        };
        Arc::new(Self { state: Mutex::new(state), trace, duplicates })
    }

    /// Who stands at a place, in a certain life.
    pub(super) fn endpoint(self: &Arc<Self>, place: Place, life: u64) -> Arc<Endpoint> {
        Arc::new(Endpoint { network: Arc::clone(self), place, life, known: Mutex::default() })
    }

    /// From now on this life of a node answers.
    pub(super) fn serve(&self, node: NodeId, life: u64, handler: Arc<dyn Handler>) {
        self.state.lock().served.insert(node, (life, handler));
    }

    /// A life of a node begins: it may send.
    pub(super) fn open(&self, node: NodeId, life: u64) {
        self.state.lock().lives.insert(node.0, life);
    }

    /// The node is gone.
    pub(super) fn close(&self, node: NodeId) {
        let mut state = self.state.lock();
        state.lives.remove(&node.0);
        let served = state.served.remove(&node);
        drop(state);
        // It may hold the last handle of much.
        drop(served);
    }

    /// Changes the rules.
    pub(super) fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.state.lock().rules);
    }

    /// Whether this life of a place goes on.
    fn lives(&self, place: Place, life: u64) -> bool {
        place >= OUTSIDE || self.state.lock().lives.get(&place) == Some(&life)
    }

    fn is_cut(&self, from: Place, to: Place) -> bool {
        self.state.lock().rules.cut.contains(&(from, to))
    }

    fn plan(&self, from: Place, to: Place, lane: Lane) -> Plan {
        let mut state = self.state.lock();
        let State { random, rules, calls, .. } = &mut *state;
        *calls += 1;
        let held = |place| rules.held.get(&place).map_or(Duration::ZERO, |until| until.saturating_sub(now()));
        let held = held(from).max(held(to));
        let max = u64::try_from(rules.delay_max.as_micros()).unwrap_or(u64::MAX).max(2);
        let mut delay = || Duration::from_micros(random.random_range(max / 10..=max));
        let (there, back) = (held + delay(), delay());
        let late = delay() * 40;
        let lost = rules.loss > 0.0 && random.random_bool(rules.loss);
        let back_lost = rules.loss > 0.0 && random.random_bool(rules.loss);
        let copied = lane == Lane::Client && self.duplicates > 0.0 && random.random_bool(self.duplicates);
        let notices = random.random_bool(0.7);
        Plan {
            number: *calls,
            delay: there,
            back: (!back_lost).then_some(back),
            copy: copied.then_some(late),
            lost,
            notices,
        }
    }

    /// Delivers a request to whoever serves the node when it arrives, and returns the answer, if there
    /// is one and its sender lives to send it.
    async fn deliver(&self, from: Place, to: NodeId, lane: Lane, request: Bytes, number: u64) -> Delivered {
        if self.is_cut(from, to.0) {
            return Delivered::Lost;
        }
        let served = self.state.lock().served.get(&to).cloned();
        let Some((life, handler)) = served else { return Delivered::Nobody };
        self.trace.event(format_args!("#{number} arrives at {to}"));
        let answer = handler.handle(lane, request).await;
        drop(handler);
        if !self.lives(to.0, life) {
            return Delivered::Died;
        }
        Delivered::Answered(answer)
    }
}

enum Delivered {
    Answered(Bytes),
    Lost,
    Nobody,
    Died,
}

/// Somebody's way into the network.
pub(super) struct Endpoint {
    network: Arc<SimulatedNetwork>,
    place: Place,
    life: u64,
    known: Mutex<BTreeMap<NodeId, String>>,
}

/// The address of a node.
pub(super) fn address_of(node: NodeId) -> String {
    format!("n{}:1", node.0)
}

fn node_at(address: &str) -> Option<NodeId> {
    address.strip_prefix('n')?.strip_suffix(":1")?.parse().ok().map(NodeId)
}

type Answered = BoxFuture<'static, Result<Bytes, CallError>>;

impl Endpoint {
    fn send(&self, to: NodeId, lane: Lane, request: Bytes, timeout: Duration) -> Answered {
        let (network, from) = (Arc::clone(&self.network), self.place);
        let address = address_of(to);
        if !network.lives(from, self.life) {
            return Box::pin(std::future::ready(Err(CallError::Stopped { maybe_sent: false })));
        }
        let plan = network.plan(from, to.0, lane);
        let number = plan.number;
        let digest = xxh3_64(&request);
        network.trace.event(format_args!("#{number} {from} → {to} {lane:?} {digest:016x}"));
        let (sender, receiver) = oneshot::channel();
        if let Some(late) = plan.copy {
            let (network, request) = (Arc::clone(&network), request.clone());
            drop(Runtime::spawn(async move {
                Runtime::sleep(late).await;
                let _nobody_takes_it = network.deliver(from, to, lane, request, number).await;
            }));
        }
        let life = self.life;
        drop(Runtime::spawn(async move {
            if plan.lost || network.is_cut(from, to.0) {
                return;
            }
            Runtime::sleep(plan.delay).await;
            let unreachable = |maybe_sent| CallError::Unreachable {
                address: address_of(to),
                reason: "it is gone".to_owned(),
                maybe_sent,
            };
            let (result, back) = match network.deliver(from, to, lane, request, number).await {
                Delivered::Lost => return,
                Delivered::Nobody if plan.notices => (Err(unreachable(false)), Duration::ZERO),
                Delivered::Died if plan.notices => (Err(unreachable(true)), Duration::ZERO),
                Delivered::Nobody | Delivered::Died => return,
                Delivered::Answered(answer) => match plan.back {
                    Some(back) => (Ok(answer), back),
                    None => return,
                },
            };
            Runtime::sleep(back).await;
            if network.is_cut(to.0, from) || !network.lives(from, life) {
                return;
            }
            if let Ok(answer) = &result {
                network.trace.event(format_args!("#{number} is answered {:016x}", xxh3_64(answer)));
            }
            // The caller may have given up.
            let _gone = sender.send(result);
        }));
        let deadline = <Runtime as AsyncRuntime>::Instant::now() + timeout;
        Box::pin(async move {
            match Runtime::timeout_at(deadline, receiver).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) | Err(_) => {
                    // What is lost is not told: the caller waits as long as it would.
                    Runtime::sleep_until(deadline).await;
                    Err(CallError::TimedOut { address, timeout, maybe_sent: true })
                }
            }
        })
    }
}

impl Transport for Endpoint {
    fn call(&self, to: NodeId, lane: Lane, request: Bytes, timeout: Duration) -> Answered {
        if !self.known.lock().contains_key(&to) {
            return Box::pin(std::future::ready(Err(CallError::UnknownNode(to))));
        }
        self.send(to, lane, request, timeout)
    }

    fn call_address(&self, address: &str, lane: Lane, request: Bytes, timeout: Duration) -> Answered {
        match node_at(address) {
            Some(node) => self.send(node, lane, request, timeout),
            None => Box::pin(std::future::ready(Err(CallError::Refused {
                address: address.to_owned(),
                reason: "no such address".to_owned(),
            }))),
        }
    }

    fn peers(&self) -> Vec<Peer> {
        let known = self.known.lock();
        known.iter().map(|(node, address)| Peer { node: *node, address: address.clone() }).collect()
    }

    fn learn(&self, peers: &[Peer]) {
        let mut known = self.known.lock();
        for peer in peers {
            known.insert(peer.node, peer.address.clone());
        }
    }
}
