//! How much text is parsed, and how deep.

use std::num::NonZeroUsize;
use std::sync::Once;

use crate::error::{ParseError, ParseErrorKind};
use crate::span::Span;

/// Bounds on what is parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one statement.
    ///
    /// Default: 1 MiB. Bounds: 1..=64 MiB. Rows belong in files, not in statements.
    pub text_bytes_max: usize,
    /// Levels of parentheses, brackets, CASE and operators within each other.
    ///
    /// Default: 96. Bounds: 1..=128: walking a tree by recursion must fit the stack of a thread.
    pub depth_max: usize,
    /// Operands of one chain of operators, members of a set operation, tables of one FROM. Chains of AND
    /// and of OR are not bounded by it.
    ///
    /// Default: 1,000. What follows the parser recurses over such chains.
    pub chain_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { text_bytes_max: 1 << 20, depth_max: 96, chain_max: 1000 }
    }
}

/// Steps that pest may take in one parse. An honest statement of the longest text takes about a hundred
/// a byte; this is a guard against a mistake in the grammar, process-wide by pest's design.
const PEST_CALLS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(400_000_000);

impl Limits {
    /// Refuses a text that is too long.
    pub(crate) fn check_length(&self, text: &str) -> Result<(), ParseError> {
        if text.len() <= self.text_bytes_max {
            return Ok(());
        }
        let kind = ParseErrorKind::TooLong { bytes: text.len(), bytes_max: self.text_bytes_max };
        Err(ParseError::new(kind, text, Span::new(0, 0)))
    }

    /// Sets pest's bound on steps, once.
    pub(crate) fn guard_pest() {
        static GUARD: Once = Once::new();
        GUARD.call_once(|| pest::set_call_limit(Some(PEST_CALLS_MAX)));
    }
}
