//! The positional index.
