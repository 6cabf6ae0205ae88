//! Calls that fail: what is said, how soon, and whether the request may have been delivered.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{FutureExt, join_all};
use tokio::sync::{Notify, Semaphore};

use super::{CLUSTER, LONG, PEER, Peer, echo, handling, options, transport, transport_as};
use crate::network::{
    AddressBook, CallError, Handler, Identity, Lane, NetworkOptions, TcpTransport, Transport,
};
use crate::range::NodeId;

const SHORT: Duration = Duration::from_millis(30);

/// Never answers; says when a request was begun.
fn never(begun: &Arc<Semaphore>) -> Arc<dyn Handler> {
    let begun = begun.clone();
    handling(move |_, _| {
        begun.add_permits(1);
        std::future::pending().boxed()
    })
}

/// Calls until there is an answer.
async fn call_until_answered(transport: &TcpTransport) {
    let again = async {
        while transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_killed_fails_its_calls_at_once_and_is_found_again() {
    let begun = Arc::new(Semaphore::new(0));
    let peer = Peer::start("127.0.0.1:0", never(&begun), options()).await;
    let (transport, book) = transport(peer.address, options());
    let calls: Vec<_> =
        (0..10).map(|_| transport.call(PEER, Lane::Raft, Bytes::from_static(b"?"), LONG)).collect();
    let _ = begun.acquire_many(10).await.unwrap();
    let address = peer.address;
    peer.kill().await;
    for answer in join_all(calls).await {
        let error = answer.unwrap_err();
        assert!(matches!(error, CallError::Unreachable { maybe_sent: true, .. }), "{error}");
    }
    let error = transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap_err();
    assert!(!error.maybe_sent(), "{error}");

    let peer = Peer::start(&address.to_string(), echo(), options()).await;
    call_until_answered(&transport).await;
    let elsewhere = Peer::start("127.0.0.1:0", echo(), options()).await;
    book.set(PEER, &elsewhere.address.to_string());
    transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap();
    peer.kill().await;
    transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap();
}

#[tokio::test]
async fn a_change_of_address_gives_the_former_calls_up() {
    let begun = Arc::new(Semaphore::new(0));
    let former = Peer::start("127.0.0.1:0", never(&begun), options()).await;
    let (transport, book) = transport(former.address, options());
    let waiting = transport.call(PEER, Lane::Raft, Bytes::new(), LONG);
    let _ = begun.acquire().await.unwrap();
    let elsewhere = Peer::start("127.0.0.1:0", echo(), options()).await;
    book.set(PEER, &elsewhere.address.to_string());
    transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap();
    assert_eq!(waiting.await.unwrap_err(), CallError::Stopped { maybe_sent: true });
    book.remove(PEER);
    let error = transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap_err();
    assert_eq!(error, CallError::UnknownNode(PEER));
}

#[tokio::test]
async fn no_answer_in_time() {
    let begun = Arc::new(Semaphore::new(0));
    let peer = Peer::start("127.0.0.1:0", never(&begun), options()).await;
    let (transport, _) = transport(peer.address, options());
    // Connected, so that the next request is sent for sure.
    let first = transport.call(PEER, Lane::Raft, Bytes::new(), LONG);
    begun.acquire().await.unwrap().forget();
    let second = transport.call(PEER, Lane::Raft, Bytes::new(), SHORT);
    let _ = begun.acquire().await.unwrap();
    let error = second.await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { maybe_sent: true, timeout: SHORT, .. }), "{error}");
    drop(first);
}

#[tokio::test]
async fn a_peer_that_says_nothing() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let impatient = NetworkOptions { connect_timeout: SHORT * 4, ..options() };
    let (transport, _) = transport(silent.local_addr().unwrap(), impatient);
    let patient = transport.call(PEER, Lane::Raft, Bytes::new(), LONG);
    let error = transport.call(PEER, Lane::Raft, Bytes::new(), SHORT).await.unwrap_err();
    assert!(matches!(error, CallError::TimedOut { maybe_sent: false, .. }), "{error}");
    let error = patient.await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { maybe_sent: false, .. }), "{error}");
}

#[tokio::test]
async fn who_does_not_belong_here_is_refused() {
    let begun = Arc::new(Semaphore::new(0));
    let peer = Peer::start("127.0.0.1:0", never(&begun), options()).await;
    let address = peer.address.to_string();
    let book = AddressBook::new();
    book.set(PEER, &address);
    book.set(NodeId(3), &address);
    let stranger = transport_as(&book, options(), Identity::new(NodeId(1), CLUSTER + 1));
    let error = stranger.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap_err();
    let reason = "node 1 is of cluster 000000000000004e, not 000000000000004d".to_owned();
    assert_eq!(error, CallError::Refused { address: address.clone(), reason });

    let ours = transport_as(&book, options(), Identity::new(NodeId(1), CLUSTER));
    let error = ours.call(NodeId(3), Lane::Raft, Bytes::new(), LONG).await.unwrap_err();
    let reason = "node 2 is there, not node 3".to_owned();
    assert_eq!(error, CallError::Refused { address, reason });
    assert_eq!(begun.available_permits(), 0, "nothing was handled");
}

#[tokio::test]
async fn who_does_not_know_its_cluster_yet_is_welcome() {
    let joining = Identity::new(PEER, 0);
    let peer = Peer::start_as("127.0.0.1:0", echo(), options(), joining.clone()).await;
    let (transport, _) = transport(peer.address, options());
    transport.call(PEER, Lane::Raft, Bytes::new(), LONG).await.unwrap();
    joining.set_cluster(CLUSTER + 1);
    let error = transport.call(PEER, Lane::Client, Bytes::new(), LONG).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn too_large_is_said_before_and_after() {
    let handler = handling(|_, request| std::future::ready(Bytes::from(vec![1; request.len() * 2])).boxed());
    let small = NetworkOptions { message_bytes_max: 1000, frame_bytes: 500, ..options() };
    let peer = Peer::start("127.0.0.1:0", handler, small.clone()).await;
    let (transport, _) = transport(peer.address, small);
    let call = |bytes: usize| transport.call(PEER, Lane::Client, Bytes::from(vec![0; bytes]), LONG);
    let too_large =
        |what, bytes, maybe_sent| CallError::TooLarge { what, bytes, bytes_max: 1000, maybe_sent };
    assert_eq!(call(1001).await, Err(too_large("request", 1001, false)));
    assert_eq!(call(501).await, Err(too_large("response", 1002, true)));
    assert_eq!(call(500).await.unwrap().len(), 1000);
}

#[tokio::test]
async fn a_server_refuses_what_its_clients_should_have_refused() {
    let small = NetworkOptions { message_bytes_max: 1000, frame_bytes: 500, ..options() };
    let peer = Peer::start("127.0.0.1:0", echo(), small).await;
    let (transport, _) = transport(peer.address, options());
    let error = transport.call(PEER, Lane::Client, Bytes::from_static(&[0; 2000]), LONG).await.unwrap_err();
    assert!(error.maybe_sent() && error.to_string().contains("too large"), "{error}");
    call_until_answered(&transport).await;
}

#[tokio::test]
async fn one_call_too_many_is_busy() {
    let begun = Arc::new(Semaphore::new(0));
    let peer = Peer::start("127.0.0.1:0", never(&begun), options()).await;
    let few = NetworkOptions { calls_max: 2, ..options() };
    let (transport, _) = transport(peer.address, few);
    let call = || transport.call(PEER, Lane::Client, Bytes::new(), LONG);
    let (first, second) = (call(), call());
    let error = call().await.unwrap_err();
    assert_eq!(error, CallError::Busy { address: peer.address.to_string() });
    let _ = begun.acquire_many(2).await.unwrap();
    drop(second);
    assert!(call().now_or_never().is_none(), "there is room again");
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_panics_breaks_its_connection_only() {
    let handler = handling(|_, request| {
        async move {
            assert!(request.is_empty(), "a bug of the handler");
            request
        }
        .boxed()
    });
    let peer = Peer::start("127.0.0.1:0", handler, options()).await;
    let (transport, _) = transport(peer.address, options());
    transport.call(PEER, Lane::Client, Bytes::new(), LONG).await.unwrap();
    let error = transport.call(PEER, Lane::Raft, Bytes::from_static(b"!"), LONG).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { maybe_sent: true, .. }), "{error}");
    call_until_answered(&transport).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answers_what_it_has_begun() {
    let (begun, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let (beginning, opened) = (begun.clone(), gate.clone());
    let handler = handling(move |_, request| {
        let (beginning, opened) = (beginning.clone(), opened.clone());
        async move {
            beginning.add_permits(1);
            opened.notified().await;
            request
        }
        .boxed()
    });
    let patient = NetworkOptions { shutdown_grace: LONG, ..options() };
    let mut peer = Peer::start("127.0.0.1:0", handler, patient).await;
    let (transport, _) = transport(peer.address, options());
    let call = transport.call(PEER, Lane::Client, Bytes::from_static(b"last"), LONG);
    let _ = begun.acquire().await.unwrap();
    peer.stop.take().unwrap().send(()).unwrap();
    gate.notify_one();
    assert_eq!(call.await.unwrap(), b"last".as_slice());
    peer.serving.join_next().await.unwrap().unwrap();
    let error = transport.call(PEER, Lane::Client, Bytes::new(), LONG).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_does_not_wait_for_ever() {
    let begun = Arc::new(Semaphore::new(0));
    let hasty = NetworkOptions { shutdown_grace: SHORT, ..options() };
    let mut peer = Peer::start("127.0.0.1:0", never(&begun), hasty).await;
    let (transport, _) = transport(peer.address, options());
    let call = transport.call(PEER, Lane::Client, Bytes::new(), LONG);
    let _ = begun.acquire().await.unwrap();
    peer.stop.take().unwrap().send(()).unwrap();
    peer.serving.join_next().await.unwrap().unwrap();
    assert!(call.await.unwrap_err().maybe_sent());
}

#[tokio::test]
async fn a_transport_that_stops_fails_its_calls() {
    let begun = Arc::new(Semaphore::new(0));
    let peer = Peer::start("127.0.0.1:0", never(&begun), options()).await;
    let (transport, _) = transport(peer.address, options());
    let call = transport.call(PEER, Lane::Client, Bytes::new(), LONG);
    let _ = begun.acquire().await.unwrap();
    transport.stop();
    assert_eq!(call.await.unwrap_err(), CallError::Stopped { maybe_sent: true });
    let call = transport.call(PEER, Lane::Client, Bytes::new(), LONG);
    assert_eq!(call.await.unwrap_err(), CallError::Stopped { maybe_sent: false });
    let call = transport.call_address("127.0.0.1:1", Lane::Client, Bytes::new(), LONG);
    assert_eq!(call.await.unwrap_err(), CallError::Stopped { maybe_sent: false });
}

#[tokio::test]
async fn who_speaks_another_language_does_no_harm() {
    let peer = Peer::start("127.0.0.1:0", echo(), options()).await;
    let mut stranger = std::net::TcpStream::connect(peer.address).unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let (transport, _) = transport(peer.address, options());
    transport.call(PEER, Lane::Client, Bytes::new(), LONG).await.unwrap();
    let nowhere = transport.call_address("no address at all", Lane::Client, Bytes::new(), LONG);
    assert!(matches!(nowhere.await, Err(CallError::Unreachable { maybe_sent: false, .. })));
}
