//! Frames, the table of calls, and the address book, without a network.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use tokio::sync::oneshot;

use crate::network::AddressBook;
use crate::network::calls::Calls;
use crate::network::frame::{Kind, Malformed, Message, Messages};
use crate::network::outgoing::Outgoing;
use crate::range::NodeId;

fn wire(messages: &[Message]) -> Bytes {
    let mut bytes = BytesMut::new();
    for message in messages {
        bytes.put_u64_le(message.call);
        bytes.put_u8(if message.kind == Kind::Body { 0 } else { 1 });
        bytes.put_u32_le(message.body.len() as u32);
        bytes.put_slice(&message.body);
    }
    bytes.freeze()
}

fn read(frame: Bytes) -> Result<Vec<Message>, Malformed> {
    let mut messages = Messages::new(frame);
    let mut read = Vec::new();
    while let Some(message) = messages.next()? {
        read.push(message);
    }
    Ok(read)
}

fn message() -> impl Strategy<Value = Message> {
    (any::<u64>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)).prop_map(
        |(call, body, bytes)| Message {
            call,
            kind: if body { Kind::Body } else { Kind::TooLarge },
            body: bytes.into(),
        },
    )
}

proptest! {
    #[test]
    fn a_frame_is_read_as_written(messages in prop::collection::vec(message(), 0..20)) {
        prop_assert_eq!(read(wire(&messages)), Ok(messages));
    }

    #[test]
    fn hostile_bytes_are_an_error_or_messages(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let length = bytes.len();
        if let Ok(messages) = read(bytes.into()) {
            prop_assert_eq!(messages.iter().map(Message::bytes).sum::<usize>(), length);
        }
    }

    #[test]
    fn a_frame_cut_short_is_an_error(messages in prop::collection::vec(message(), 1..5), cut in any::<prop::sample::Index>()) {
        let whole = wire(&messages);
        let cut = cut.index(whole.len());
        if let Ok(read) = read(whole.slice(..cut)) {
            // Cut between two messages.
            prop_assert_eq!(&read[..], &messages[..read.len()]);
            prop_assert!(read.len() < messages.len());
        }
    }

    #[test]
    fn frames_hold_all_that_waits_in_order(sizes in prop::collection::vec(0_usize..600, 0..60)) {
        let mut outgoing = Outgoing::default();
        for (call, size) in (0..).zip(&sizes) {
            let body = Bytes::from(vec![0; *size]);
            let _ = outgoing.push(Message { call, kind: Kind::Body, body });
        }
        let mut calls = Vec::new();
        while !outgoing.is_empty() {
            let frame = outgoing.take_frame(1000, |message| message.call % 7 != 3);
            prop_assert!(frame.len() <= 1 || frame.iter().map(Message::bytes).sum::<usize>() <= 1000);
            calls.extend(frame.iter().map(|message| message.call));
        }
        prop_assert_eq!(calls, (0..sizes.len() as u64).filter(|call| call % 7 != 3).collect::<Vec<_>>());
        prop_assert_eq!(outgoing.bytes(), 0);
    }
}

#[test]
fn what_a_frame_must_not_hold() {
    assert_eq!(read(Bytes::from_static(b"short")), Err(Malformed::Header(5)));
    assert_eq!(read(Bytes::from(vec![9; 13])), Err(Malformed::Kind(9)));
    let mut long = vec![0; 15];
    long[9..13].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(read(long.into()), Err(Malformed::Length { length: u32::MAX, rest: 2 }));
}

#[test]
fn a_late_answer_meets_no_other_call() {
    let mut calls = Calls::default();
    let first = calls.insert(oneshot::channel().0);
    assert!(calls.send(first));
    assert!(calls.take(first).unwrap().sent);
    let second = calls.insert(oneshot::channel().0);
    assert_ne!(first, second);
    assert!(!calls.send(first), "nobody waits for it any more");
    assert!(calls.take(first).is_none());
    assert!(calls.take(u64::MAX).is_none());
    assert_eq!(calls.len(), 1);
    assert!(!calls.take_all()[0].sent);
    assert!(calls.take(second).is_none());
    assert_eq!(calls.len(), 0);
}

#[test]
fn the_book_is_shared() {
    let book = AddressBook::new();
    let copy = book.clone();
    book.set(NodeId(3), "c:1");
    book.set(NodeId(2), "b:1");
    copy.set(NodeId(3), "c:2");
    let all: Vec<_> = book.all().into_iter().map(|(node, address)| (node.0, address.to_string())).collect();
    assert_eq!(all, [(2, "b:1".to_owned()), (3, "c:2".to_owned())]);
    copy.remove(NodeId(3));
    assert_eq!(book.get(NodeId(3)), None);
}
