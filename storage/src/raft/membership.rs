//! The bytes of a membership, in the log and in the state.
//!
//! ```text
//! version             u8    1
//! voter sets          u8    more than one while they change (joint consensus)
//!   for each: count   u16   then that many node ids, u64, ascending
//! nodes               u16   voters and learners, then that many node ids, u64, ascending
//! ```
//! All little-endian.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use openraft::EmptyNode;

use super::types::RaftMembership;

const VERSION: u8 = 1;

/// Encodes a membership.
pub(crate) fn encode_membership(membership: &RaftMembership) -> Bytes {
    let mut bytes = BytesMut::new();
    let sets = membership.get_joint_config();
    bytes.put_u8(VERSION);
    // openraft joins at most two sets, and a group has a handful of nodes.
    assert!(sets.len() <= usize::from(u8::MAX), "a membership of {} voter sets", sets.len());
    bytes.put_u8(sets.len() as u8);
    for set in sets {
        put_nodes(&mut bytes, set.len(), set.iter());
    }
    let nodes: Vec<_> = membership.nodes().map(|(node, _)| node).collect();
    put_nodes(&mut bytes, nodes.len(), nodes.into_iter());
    bytes.freeze()
}

fn put_nodes<'a>(bytes: &mut BytesMut, count: usize, nodes: impl Iterator<Item = &'a u64>) {
    assert!(count <= usize::from(u16::MAX), "a membership of {count} nodes");
    bytes.put_u16_le(count as u16);
    nodes.for_each(|node| bytes.put_u64_le(*node));
}

/// Decodes a membership; the error says what is wrong.
pub(crate) fn decode_membership(mut bytes: &[u8]) -> Result<RaftMembership, &'static str> {
    const CUT: &str = "a membership that is cut off";
    if bytes.try_get_u8().map_err(|_| CUT)? != VERSION {
        return Err("a membership of an unknown version");
    }
    let sets = bytes.try_get_u8().map_err(|_| CUT)?;
    let sets = (0..sets).map(|_| get_nodes(&mut bytes)).collect::<Result<Vec<_>, _>>()?;
    let nodes = get_nodes(&mut bytes)?;
    if !bytes.is_empty() {
        return Err("a membership with bytes behind it");
    }
    let nodes: BTreeMap<u64, EmptyNode> = nodes.into_iter().map(|node| (node, EmptyNode {})).collect();
    RaftMembership::new(sets, nodes).map_err(|_| "a membership with an empty voter set or an unknown voter")
}

fn get_nodes(bytes: &mut &[u8]) -> Result<BTreeSet<u64>, &'static str> {
    let cut = |_| "a list of nodes that is cut off";
    let count = bytes.try_get_u16_le().map_err(cut)?;
    let nodes: BTreeSet<u64> =
        (0..count).map(|_| bytes.try_get_u64_le().map_err(cut)).collect::<Result<_, _>>()?;
    if nodes.len() == usize::from(count) { Ok(nodes) } else { Err("a list that names a node twice") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn membership() -> impl Strategy<Value = RaftMembership> {
        let set = || proptest::collection::btree_set(any::<u64>(), 1..5);
        (proptest::collection::vec(set(), 0..3), proptest::collection::btree_set(any::<u64>(), 0..4))
            .prop_map(|(sets, learners)| RaftMembership::new_with_defaults(sets, learners))
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(membership in membership()) {
            let bytes = encode_membership(&membership);
            prop_assert_eq!(decode_membership(&bytes), Ok(membership));
            for length in 0..bytes.len() {
                prop_assert!(decode_membership(&bytes[..length]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes: Vec<u8>) {
            let _decoded = decode_membership(&bytes);
        }
    }

    #[test]
    fn what_is_no_membership_is_named() {
        assert_eq!(decode_membership(&[2]), Err("a membership of an unknown version"));
        assert_eq!(decode_membership(&[1, 0, 0, 0, 7]), Err("a membership with bytes behind it"));
        let unknown_voter = [1, 1, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let reason = "a membership with an empty voter set or an unknown voter";
        assert_eq!(decode_membership(&unknown_voter), Err(reason));
        assert_eq!(decode_membership(&[1, 1, 0, 0, 0, 0]), Err(reason));
        let twice = [&[1, 0, 2, 0][..], &[5, 0, 0, 0, 0, 0, 0, 0], &[5, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(decode_membership(&twice), Err("a list that names a node twice"));
    }
}
