//! The placement driver: where the replicas of ranges are, who leads them, and when ranges split.
//!
//! ```text
//! node, each second → NodeReport ─▶ Driver::report ─▶ orders for that node
//! clock ───────────────────────────▶ Driver::tick   ─▶ what to do next
//! registry, Space::Placement ◀── Driver::change, a transaction; Driver::saved when it is committed
//! ```
//! Pure: no I/O, no clock, no randomness. It runs where range 1 is led; what must survive is in the
//! registry, what is reported is in memory and comes back with the next reports. Nothing here is the
//! truth about a range: that is its Raft group, and every order names what the driver knew, so that the
//! group can refuse.

mod error;
mod order;
mod record;
mod report;
mod settings;
mod status;

pub use error::PlacementError;
pub use order::{Order, quorum, voters_are_safe};
pub use record::{ClusterId, NodeRecord, NodeState, RangeRecord};
pub use report::{Follower, NodeReport, RangeReport, ReplicaPhase, ReplicaReport};
pub use settings::Settings;
pub use status::{NodeStatus, OperatorStatus, RangeStatus, Reason, Status};
