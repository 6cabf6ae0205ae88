//! Why the bytes of a container are refused, before it is known where they stand.

use std::borrow::Cow;

use crate::Fault;

/// A reason without a place; the reader adds file and offset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Corrupt(pub(super) Cow<'static, str>);

/// What went wrong while a container was decoded.
#[derive(Debug)]
pub(super) enum Broken {
    /// The container itself is wrong.
    Container(Corrupt),
    /// One record is wrong; `index` counts from 0 in the container.
    Record {
        /// Its number in the container, from 0.
        index: u64,
        /// QNAME, where it is known.
        name: Vec<u8>,
        /// The field and the reason.
        fault: Fault,
    },
    /// The reference is missing or another one.
    Reference(String),
}

impl From<&'static str> for Corrupt {
    fn from(reason: &'static str) -> Self {
        Self(Cow::Borrowed(reason))
    }
}

impl From<String> for Corrupt {
    fn from(reason: String) -> Self {
        Self(Cow::Owned(reason))
    }
}

impl From<Corrupt> for Broken {
    fn from(corrupt: Corrupt) -> Self {
        Self::Container(corrupt)
    }
}

impl From<&'static str> for Broken {
    fn from(reason: &'static str) -> Self {
        Self::Container(reason.into())
    }
}
