//! An alignment record and its parts (SAM v1 § 1.4).

mod cigar;
mod flags;
mod record;
pub mod tag;

pub use cigar::{Cigar, CigarKind, CigarOperation, ParseCigarError};
pub use flags::{Flags, NAMES as FLAG_NAMES, ParseFlagsError};
pub use record::{Record, Records};
