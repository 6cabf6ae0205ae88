//! Loads through the public interface: what goes in comes out, and what fails leaves nothing.

mod conflicts;
mod dropping;
mod faults;
mod fixture;
mod round_trip;
