//! Tests that cross crates: each folder beside this one is a test of its own, and this library is empty.
