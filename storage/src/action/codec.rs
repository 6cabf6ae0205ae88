//! Proposals and responses as bytes.
//!
//! ```text
//! proposal   format u8 = 1, version u64, session option (client u64, sequence u64), now u64, tag u8, fields
//!            1 transact: transaction     2 prepare: id, primary, deadline u64, transaction
//!            3 decide: id, primary, commit u8    4 resolve: id, commit u8, keys
//!            5 forget: id, primary       6 expire: count u32, each key, u64
//!            7 split: at, child u64      8 verify
//! response   tag u8, fields: 1 done: results   2 condition failed: number u32, value option
//!            3 refused: refusal   4 split: two descriptors   5 decided: u8   6 verified
//! ```
//! Ids are u128; the rest is as in [`fields`] and [`command`].

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{Action, OperationResult, Proposal, Refusal, Response, Session, TransactionId};
use crate::{
    command,
    fields::{
        self, Reason, put_bytes, put_descriptor, put_length, put_option, take_bool, take_bytes,
        take_descriptor, take_i64, take_option, take_timestamp, take_u8, take_u32, take_u64, take_u128,
    },
    kv::Timestamp,
    range::RangeId,
};

const FORMAT: u8 = 1;
/// Tag of [`Action::Verify`].
const VERIFY: u8 = 8;

impl Proposal {
    /// As bytes, in one piece.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(FORMAT);
        out.put_u64_le(self.version);
        out.put_u8(u8::from(self.session.is_some()));
        if let Some(session) = self.session {
            out.put_u64_le(session.client);
            out.put_u64_le(session.sequence);
        }
        out.put_u64_le(self.now.0);
        put_action(&mut out, &self.action);
        out.freeze()
    }

    /// Writes the leader's time into an encoded proposal; other bytes than those of one stay as they are.
    pub(crate) fn stamp(bytes: Bytes, now: Timestamp) -> Bytes {
        const WITHOUT_SESSION: usize = 10;
        const WITH_SESSION: usize = 26;
        let at = if bytes.get(WITHOUT_SESSION - 1) == Some(&1) { WITH_SESSION } else { WITHOUT_SESSION };
        let mut bytes = bytes.try_into_mut().unwrap_or_else(|bytes| BytesMut::from(bytes.as_ref()));
        if let Some(place) = bytes.get_mut(at..at + size_of::<u64>()) {
            place.copy_from_slice(&now.0.to_le_bytes());
        }
        bytes.freeze()
    }

    /// Whether an encoded proposal is a [`Action::Verify`], which nothing may be applied together with.
    pub(crate) fn is_verify(bytes: &Bytes) -> bool {
        /// Of one without a session, as this has none.
        const VERIFY_BYTES: usize = 19;
        bytes.len() == VERIFY_BYTES && bytes.last() == Some(&VERIFY)
    }

    /// Decodes; keys and values share the memory of `bytes`.
    ///
    /// # Errors
    ///
    /// Says what is wrong, if these bytes are not exactly one proposal.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Reason> {
        let mut rest = bytes;
        if take_u8(&mut rest)? != FORMAT {
            return Err("unknown format of a proposal");
        }
        let version = take_u64(&mut rest)?;
        let session = if take_bool(&mut rest)? {
            Some(Session { client: take_u64(&mut rest)?, sequence: take_u64(&mut rest)? })
        } else {
            None
        };
        let now = take_timestamp(&mut rest)?;
        let action = take_action(&mut rest)?;
        fields::finish(&rest, Self { version, session, now, action })
    }
}

fn put_action(out: &mut BytesMut, action: &Action) {
    match action {
        Action::Transact(transaction) => {
            out.put_u8(1);
            command::encode_into(transaction, out);
        }
        Action::Prepare { id, primary, deadline, part } => {
            put_transaction_id(out, 2, *id, primary);
            out.put_u64_le(deadline.0);
            command::encode_into(part, out);
        }
        Action::Decide { id, primary, commit } => {
            put_transaction_id(out, 3, *id, primary);
            out.put_u8(u8::from(*commit));
        }
        Action::Resolve { id, keys, commit } => {
            out.put_u8(4);
            out.put_u128_le(id.0);
            out.put_u8(u8::from(*commit));
            put_length(out, keys.len());
            keys.iter().for_each(|key| put_bytes(out, key));
        }
        Action::Forget { id, primary } => put_transaction_id(out, 5, *id, primary),
        Action::Expire { entries } => {
            out.put_u8(6);
            put_length(out, entries.len());
            for (key, until) in entries {
                put_bytes(out, key);
                out.put_u64_le(until.0);
            }
        }
        Action::Split { at, child } => {
            out.put_u8(7);
            put_bytes(out, at);
            out.put_u64_le(child.0);
        }
        Action::Verify => out.put_u8(VERIFY),
    }
}

fn put_transaction_id(out: &mut BytesMut, tag: u8, id: TransactionId, primary: &[u8]) {
    out.put_u8(tag);
    out.put_u128_le(id.0);
    put_bytes(out, primary);
}

fn take_action(rest: &mut Bytes) -> Result<Action, Reason> {
    Ok(match take_u8(rest)? {
        1 => Action::Transact(command::take_transaction(rest)?),
        2 => {
            let (id, primary) = (TransactionId(take_u128(rest)?), take_bytes(rest)?);
            let deadline = take_timestamp(rest)?;
            Action::Prepare { id, primary, deadline, part: command::take_transaction(rest)? }
        }
        3 => {
            let (id, primary) = (TransactionId(take_u128(rest)?), take_bytes(rest)?);
            Action::Decide { id, primary, commit: take_bool(rest)? }
        }
        4 => {
            let (id, commit) = (TransactionId(take_u128(rest)?), take_bool(rest)?);
            let count = take_u32(rest)?;
            let keys = (0..count).map(|_| take_bytes(rest)).collect::<Result<_, _>>()?;
            Action::Resolve { id, keys, commit }
        }
        5 => Action::Forget { id: TransactionId(take_u128(rest)?), primary: take_bytes(rest)? },
        6 => {
            let count = take_u32(rest)?;
            let entry = |_| Ok::<_, Reason>((take_bytes(rest)?, take_timestamp(rest)?));
            Action::Expire { entries: (0..count).map(entry).collect::<Result<_, _>>()? }
        }
        7 => Action::Split { at: take_bytes(rest)?, child: RangeId(take_u64(rest)?) },
        VERIFY => Action::Verify,
        _ => return Err("unknown action"),
    })
}

impl Response {
    /// As bytes.
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        match self {
            Self::Done(results) => {
                out.put_u8(1);
                put_length(&mut out, results.len());
                results.iter().for_each(|result| put_result(&mut out, result));
            }
            Self::ConditionFailed { condition, found } => {
                out.put_u8(2);
                put_length(&mut out, *condition);
                put_option(&mut out, found.as_ref());
            }
            Self::Refused(refusal) => {
                out.put_u8(3);
                put_refusal(&mut out, refusal);
            }
            Self::Split { parent, child } => {
                out.put_u8(4);
                put_descriptor(&mut out, parent);
                put_descriptor(&mut out, child);
            }
            Self::Decided { committed } => out.put_slice(&[5, u8::from(*committed)]),
            Self::Verified => out.put_u8(6),
        }
        out.freeze()
    }

    /// Decodes; keys and values share the memory of `bytes`.
    ///
    /// # Errors
    ///
    /// Says what is wrong, if these bytes are not exactly one response.
    pub(crate) fn decode(bytes: Bytes) -> Result<Self, Reason> {
        let mut rest = bytes;
        let response = take_response(&mut rest)?;
        fields::finish(&rest, response)
    }
}

fn take_response(rest: &mut Bytes) -> Result<Response, Reason> {
    Ok(match take_u8(rest)? {
        1 => {
            let count = take_u32(rest)?;
            Response::Done((0..count).map(|_| take_result(rest)).collect::<Result<_, _>>()?)
        }
        2 => {
            let condition = take_u32(rest)? as usize;
            Response::ConditionFailed { condition, found: take_option(rest)? }
        }
        3 => Response::Refused(take_refusal(rest)?),
        4 => Response::Split { parent: take_descriptor(rest)?, child: take_descriptor(rest)? },
        5 => Response::Decided { committed: take_bool(rest)? },
        6 => Response::Verified,
        _ => return Err("unknown response"),
    })
}

fn put_result(out: &mut BytesMut, result: &OperationResult) {
    match result {
        OperationResult::Counter(value) => {
            out.put_u8(1);
            out.put_i64_le(*value);
        }
        OperationResult::Length(length) => {
            out.put_u8(2);
            out.put_u64_le(*length);
        }
        OperationResult::Element(element) => {
            out.put_u8(3);
            put_option(out, element.as_ref());
        }
    }
}

fn take_result(rest: &mut Bytes) -> Result<OperationResult, Reason> {
    Ok(match take_u8(rest)? {
        1 => OperationResult::Counter(take_i64(rest)?),
        2 => OperationResult::Length(take_u64(rest)?),
        3 => OperationResult::Element(take_option(rest)?),
        _ => return Err("unknown result"),
    })
}

fn put_refusal(out: &mut BytesMut, refusal: &Refusal) {
    let (tag, key) = match refusal {
        Refusal::Version(descriptor) => {
            out.put_u8(1);
            return put_descriptor(out, descriptor);
        }
        Refusal::Locked { key, id, primary, deadline } => {
            out.put_u8(3);
            put_bytes(out, key);
            out.put_u128_le(id.0);
            put_bytes(out, primary);
            return out.put_u64_le(deadline.0);
        }
        Refusal::AlreadyDecided { committed } => return out.put_slice(&[6, u8::from(*committed)]),
        Refusal::Superseded => return out.put_u8(7),
        Refusal::NotInRange { key } => (2, key),
        Refusal::NotACounter { key } => (4, key),
        Refusal::CounterOverflow { key } => (5, key),
        Refusal::NotLockable { key } => (8, key),
    };
    out.put_u8(tag);
    put_bytes(out, key);
}

fn take_refusal(rest: &mut Bytes) -> Result<Refusal, Reason> {
    Ok(match take_u8(rest)? {
        1 => Refusal::Version(take_descriptor(rest)?),
        2 => Refusal::NotInRange { key: take_bytes(rest)? },
        3 => Refusal::Locked {
            key: take_bytes(rest)?,
            id: TransactionId(take_u128(rest)?),
            primary: take_bytes(rest)?,
            deadline: take_timestamp(rest)?,
        },
        4 => Refusal::NotACounter { key: take_bytes(rest)? },
        5 => Refusal::CounterOverflow { key: take_bytes(rest)? },
        6 => Refusal::AlreadyDecided { committed: take_bool(rest)? },
        7 => Refusal::Superseded,
        8 => Refusal::NotLockable { key: take_bytes(rest)? },
        _ => return Err("unknown refusal"),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        command::tests::{key, transaction},
        kv::{KeyRange, Timestamp},
        range::{RangeDescriptor, Space},
    };

    fn action() -> impl Strategy<Value = Action> {
        let id = || any::<u128>().prop_map(TransactionId);
        prop_oneof![
            transaction().prop_map(Action::Transact),
            (id(), key(), any::<u64>(), transaction()).prop_map(|(id, primary, deadline, part)| {
                Action::Prepare { id, primary, deadline: Timestamp(deadline), part }
            }),
            (id(), key(), any::<bool>()).prop_map(|(id, primary, commit)| Action::Decide {
                id,
                primary,
                commit
            }),
            (id(), prop::collection::vec(key(), 0..3), any::<bool>())
                .prop_map(|(id, keys, commit)| Action::Resolve { id, keys, commit }),
            (id(), key()).prop_map(|(id, primary)| Action::Forget { id, primary }),
            prop::collection::vec((key(), any::<u64>().prop_map(Timestamp)), 0..3)
                .prop_map(|entries| Action::Expire { entries }),
            (key(), any::<u64>()).prop_map(|(at, child)| Action::Split { at, child: RangeId(child) }),
            Just(Action::Verify),
        ]
    }

    fn proposal() -> impl Strategy<Value = Proposal> {
        let session = any::<(u64, u64)>().prop_map(|(client, sequence)| Session { client, sequence });
        (any::<u64>(), prop::option::of(session), any::<u64>(), action()).prop_map(
            |(version, session, now, action)| Proposal { version, session, now: Timestamp(now), action },
        )
    }

    fn descriptor() -> impl Strategy<Value = RangeDescriptor> {
        (any::<u64>(), any::<bool>(), key(), prop::option::of(key()), any::<u64>()).prop_map(
            |(id, user, start, end, version)| RangeDescriptor {
                id: RangeId(id),
                space: if user { Space::User } else { Space::Placement },
                keys: KeyRange { start, end },
                version,
            },
        )
    }

    fn response() -> impl Strategy<Value = Response> {
        let result = prop_oneof![
            any::<i64>().prop_map(OperationResult::Counter),
            any::<u64>().prop_map(OperationResult::Length),
            prop::option::of(key()).prop_map(OperationResult::Element),
        ];
        let refusal = prop_oneof![
            descriptor().prop_map(Refusal::Version),
            key().prop_map(|key| Refusal::NotInRange { key }),
            (key(), any::<u128>(), key(), any::<u64>()).prop_map(|(key, id, primary, deadline)| {
                Refusal::Locked { key, id: TransactionId(id), primary, deadline: Timestamp(deadline) }
            }),
            key().prop_map(|key| Refusal::NotACounter { key }),
            key().prop_map(|key| Refusal::CounterOverflow { key }),
            key().prop_map(|key| Refusal::NotLockable { key }),
            any::<bool>().prop_map(|committed| Refusal::AlreadyDecided { committed }),
            Just(Refusal::Superseded),
        ];
        prop_oneof![
            prop::collection::vec(result, 0..4).prop_map(Response::Done),
            (0..9_usize, prop::option::of(key()))
                .prop_map(|(condition, found)| Response::ConditionFailed { condition, found }),
            refusal.prop_map(Response::Refused),
            (descriptor(), descriptor()).prop_map(|(parent, child)| Response::Split { parent, child }),
            any::<bool>().prop_map(|committed| Response::Decided { committed }),
            Just(Response::Verified),
        ]
    }

    proptest! {
        #[test]
        fn decode_inverts_encode(proposal in proposal(), response in response()) {
            prop_assert_eq!(Proposal::decode(proposal.encode()), Ok(proposal));
            prop_assert_eq!(Response::decode(response.encode()), Ok(response));
        }

        #[test]
        fn a_part_is_refused(
            proposal in proposal(), response in response(), cut in any::<prop::sample::Index>()
        ) {
            let (proposal, response) = (proposal.encode(), response.encode());
            let cut_at = cut.index(proposal.len());
            prop_assert!(Proposal::decode(proposal.slice(..cut_at)).is_err());
            let cut_at = cut.index(response.len());
            prop_assert!(Response::decode(response.slice(..cut_at)).is_err());
        }

        #[test]
        fn any_bytes_decode_or_say_why(bytes in prop::collection::vec(0..12_u8, 0..100)) {
            let _ = Proposal::decode(bytes.clone().into());
            let _ = Response::decode(bytes.into());
        }
    }

    #[test]
    fn a_huge_count_allocates_nothing() {
        let mut bytes = Proposal { version: 1, session: None, now: Timestamp(1), action: Action::Verify }
            .encode()
            .to_vec();
        *bytes.last_mut().unwrap() = 6;
        bytes.extend(u32::MAX.to_le_bytes());
        assert_eq!(Proposal::decode(bytes.into()), Err("it ends within a number"));
    }
}
