//! Calls that are answered: many at once, in order, slow and fast, from anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use futures_util::future::{FutureExt, join_all};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::{LONG, PEER, Peer, echo, handling, options, transport};
use crate::network::{Lane, NetworkOptions, Transport};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_of_all_sizes_have_their_own_answers() {
    let peer = Peer::start("127.0.0.1:0", echo(), options()).await;
    let (transport, _) = transport(peer.address, options());
    let seed = 20_261_120;
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut calls = JoinSet::new();
    let sizes = [0, 1, 12, 13, 16_384, (1 << 20) - 13, 1 << 20, (1 << 20) + 1, 8 << 20];
    for number in 0..400_usize {
        let size = sizes.get(number).copied().unwrap_or_else(|| random.random_range(0..3000));
        let mut bytes = vec![0_u8; size];
        random.fill(&mut bytes[..]);
        let lane = [Lane::Raft, Lane::Snapshot, Lane::Client][number % 3];
        let transport = transport.clone();
        calls.spawn(async move {
            let request = Bytes::from(bytes);
            let answer = transport.call(PEER, lane, request.clone(), LONG).await.unwrap();
            assert!(answer == request, "call {number} of {size} bytes");
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_begun_in_the_order_of_the_calls() {
    // Through a channel of tokio, which refuses to take more than so many in one go of a task.
    let (begin, mut begun) = mpsc::channel(5000);
    let gate = Arc::new(Semaphore::new(0));
    let (opened, polled) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let taken = AtomicUsize::new(0);
    let handler = handling(move |_, request| {
        let before = taken.fetch_add(1, Ordering::SeqCst);
        assert_eq!(polled.load(Ordering::SeqCst), before, "polled before the next is taken");
        let (begin, opened, polled) = (begin.clone(), opened.clone(), polled.clone());
        async move {
            polled.fetch_add(1, Ordering::SeqCst);
            begin.send(u32::from_le_bytes(request[..4].try_into().unwrap())).await.unwrap();
            let _ = opened.acquire().await.unwrap();
            request
        }
        .boxed()
    });
    let peer = Peer::start("127.0.0.1:0", handler, options()).await;
    let (transport, _) = transport(peer.address, options());
    let calls: Vec<_> = (0..3000_u32)
        .map(|number| {
            let request = Bytes::copy_from_slice(&number.to_le_bytes());
            transport.call(PEER, Lane::Raft, request, LONG)
        })
        .collect();
    gate.add_permits(1);
    for (number, answer) in (0..).zip(join_all(calls).await) {
        assert_eq!(answer.unwrap()[..], u32::to_le_bytes(number));
    }
    for number in 0..3000 {
        assert_eq!(begun.try_recv(), Ok(number));
    }
}

#[tokio::test]
async fn the_lane_is_told() {
    let handler = handling(|lane, _| std::future::ready(Bytes::from(format!("{lane:?}"))).boxed());
    let peer = Peer::start("127.0.0.1:0", handler, options()).await;
    let (transport, _) = transport(peer.address, options());
    for lane in [Lane::Raft, Lane::Snapshot, Lane::Client] {
        let answer = transport.call(PEER, lane, Bytes::new(), LONG).await.unwrap();
        assert_eq!(answer, format!("{lane:?}").as_bytes());
    }
    let address = peer.address.to_string();
    let answer = transport.call_address(&address, Lane::Client, Bytes::new(), LONG).await.unwrap();
    assert_eq!(answer, b"Client".as_slice());
}

#[tokio::test]
async fn a_slow_request_blocks_no_other() {
    let gate = Arc::new(Notify::new());
    let opened = gate.clone();
    let handler = handling(move |_, request| {
        let opened = opened.clone();
        async move {
            if request == b"slow".as_slice() {
                opened.notified().await;
            }
            request
        }
        .boxed()
    });
    let peer = Peer::start("127.0.0.1:0", handler, options()).await;
    let (transport, _) = transport(peer.address, options());
    let mut slow = transport.call(PEER, Lane::Client, Bytes::from_static(b"slow"), LONG);
    for _ in 0..100 {
        transport.call(PEER, Lane::Client, Bytes::from_static(b"fast"), LONG).await.unwrap();
        assert!((&mut slow).now_or_never().is_none());
    }
    gate.notify_one();
    assert_eq!(slow.await.unwrap(), b"slow".as_slice());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_handled_at_once_than_may_be() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (handled, highest) = (now.clone(), most.clone());
    let handler = handling(move |_, request| {
        let (handled, highest) = (handled.clone(), highest.clone());
        async move {
            highest.fetch_max(handled.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Awake at once: finished in the same go of the driver.
            let mut waited = false;
            std::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            handled.fetch_sub(1, Ordering::SeqCst);
            request
        }
        .boxed()
    });
    let bounded = NetworkOptions { requests_in_flight_max: 3, ..options() };
    let peer = Peer::start("127.0.0.1:0", handler, bounded).await;
    let (transport, _) = transport(peer.address, options());
    let calls = (0..1000).map(|_| transport.call(PEER, Lane::Client, Bytes::from_static(&[7; 500]), LONG));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().len(), 500);
    }
    let most = most.load(Ordering::SeqCst);
    assert!(1 < most && most <= 3, "{most} at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_wait_when_many_bytes_of_them_do() {
    let handler = handling(|_, _| std::future::ready(Bytes::from_static(&[1; 50_000])).boxed());
    let bounded = NetworkOptions { requests_in_flight_bytes_max: 60_000, ..options() };
    let peer = Peer::start("127.0.0.1:0", handler, bounded).await;
    let (transport, _) = transport(peer.address, options());
    let calls = (0..2000).map(|_| transport.call(PEER, Lane::Client, Bytes::new(), LONG));
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap().len(), 50_000);
    }
}

#[test]
fn a_caller_needs_no_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (peer, transport) = runtime.block_on(async {
        let peer = Peer::start("127.0.0.1:0", echo(), options()).await;
        let (transport, _) = transport(peer.address, options());
        (peer, transport)
    });
    let call = transport.call(PEER, Lane::Client, Bytes::from_static(b"hi"), LONG);
    assert_eq!(crate::block_on::block_on(call).unwrap(), b"hi".as_slice());
    drop((peer, transport));
}
