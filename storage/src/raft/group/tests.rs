//! What an empty replica does not do.

use std::path::Path;

use openraft::raft::VoteRequest;

use super::*;
use crate::{
    data_folder::DataFolder,
    kv::KeyRange,
    log_id::LogId,
    network::NoTransport,
    node::{Node, NodeIdentity, Opened},
    raft::{
        membership::encode_membership,
        message::{RaftReply, RaftRequest, SnapshotMeta},
        types::{RaftLeaderId, RaftMembership, RaftVote, to_raft_log_id},
    },
    range::{RangeDescriptor, Space},
    state,
    testing::SimulatedDisk,
};

/// RAFT-2: neither a candidate nor an old snapshot gets what a replica has that was made under entry 9.
#[tokio::test]
async fn an_empty_replica_does_not_vote_and_takes_no_snapshot_from_before_it_was_made() {
    let disk = SimulatedDisk::new();
    let folder = DataFolder::open(Path::new("/data"), &disk).unwrap();
    let config = Config { cache_bytes: 1 << 20, disk: Arc::new(disk), ..Config::default() };
    let who = NodeIdentity { node: NodeId(4), cluster: 9, incarnation: 1 };
    let opened = Opened::open(folder, config, who, false).unwrap();
    let node = Node::start(opened, Arc::new(NoTransport)).await.unwrap();
    let range = RangeId(7);
    let descriptor = RangeDescriptor { id: range, space: Space::User, keys: KeyRange::all(), version: 3 };
    let made = state::Group::empty(&descriptor, 9);
    node.shared.applier.run(move |store| store.create_group(&made)).await.unwrap();
    node.start_group(range).await.unwrap();
    let group = node.group(range).unwrap();

    let vote = RaftVote { leader_id: RaftLeaderId { term: 5, voted_for: 2 }, committed: false };
    let last = Some(to_raft_log_id(LogId { term: 4, index: 100 }));
    for request in [RaftRequest::Vote, RaftRequest::PreVote] {
        let reply = group.receive(request(VoteRequest::new(vote, last))).await;
        assert!(matches!(&reply, RaftReply::Refused(reason) if reason.contains("vote")), "{reply:?}");
    }
    let members = RaftMembership::new_with_defaults(vec![[2].into()], [4]);
    let begin = async |index| {
        let meta = SnapshotMeta {
            applied: LogId { term: 4, index },
            membership_id: None,
            membership: encode_membership(&members),
        };
        group.receive(RaftRequest::SnapshotBegin { transfer: 1, descriptor: descriptor.clone(), meta }).await
    };
    let reply = begin(8).await;
    assert!(matches!(&reply, RaftReply::Refused(reason) if reason.contains("older")), "{reply:?}");
    assert!(matches!(begin(9).await, RaftReply::More));
    node.stop().await.unwrap();
}
