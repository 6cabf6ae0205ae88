//! Tokens: what a client shows to say who it is.
//!
//! `gdb_`, 64 hexadecimal digits of chance and 8 that check them, so that a slip of the pen is told from a
//! token that was revoked, and programs that look for leaked secrets know one when they see it.

use std::fmt;

use rand::TryRngCore as _;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

const PREFIX: &str = "gdb_";
/// Bytes of chance.
const RANDOM_BYTES: usize = 32;
/// Bytes that check them.
const CHECK_BYTES: usize = 4;

/// A secret. It is shown once, by [`Token::reveal`], and by nothing else: not by `{:?}`, not by an error.
#[derive(Clone)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token(…)")
    }
}

/// A text is no token. It is not quoted: it may be one with a slip of the pen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no token: one is `gdb_` and 72 hexadecimal digits, the last eight of which check the others"
)]
pub struct NoToken;

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoChance(#[source] rand::rand_core::OsError);

/// What is stored of a token.
///
/// A plain SHA-256, without salt and without the slowness of a hash of passwords: those protect what people
/// think up, which can be guessed. To guess 256 random bits nobody lives long enough, however fast the hash,
/// and a slow one would cost every request its milliseconds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenHash(pub(crate) [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TokenHash(…)")
    }
}

impl TokenHash {
    /// Whether it is the hash `stored`; how long it takes says nothing about either.
    pub(crate) fn is(&self, stored: &[u8; 32]) -> bool {
        self.0.ct_eq(stored).into()
    }
}

impl Token {
    /// Makes a token out of the system's chance.
    ///
    /// # Errors
    ///
    /// If the system has none to give.
    pub(crate) fn random() -> Result<Self, NoChance> {
        let mut random = [0; RANDOM_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut random).map_err(NoChance)?;
        let mut text = String::from(PREFIX);
        put_hex(&mut text, &random);
        let check = check(&text);
        put_hex(&mut text, &check);
        Ok(Self(text))
    }

    /// Takes a text as a token; nobody need know it.
    ///
    /// # Errors
    ///
    /// If it cannot be one.
    pub fn parse(text: &str) -> Result<Self, NoToken> {
        let digits = text.strip_prefix(PREFIX).ok_or(NoToken)?;
        let is_hex = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 2 * (RANDOM_BYTES + CHECK_BYTES) || !is_hex {
            return Err(NoToken);
        }
        let (before, digits) = text.split_at_checked(text.len() - 2 * CHECK_BYTES).ok_or(NoToken)?;
        let mut expected = String::new();
        put_hex(&mut expected, &check(before));
        if expected == digits { Ok(Self(text.to_owned())) } else { Err(NoToken) }
    }

    /// The text of it, for whom it was made.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// What checks the text before it; of another hash than what is stored, by its beginning.
fn check(text: &str) -> [u8; CHECK_BYTES] {
    let hash: [u8; 32] = Sha256::new().chain_update(b"check").chain_update(text.as_bytes()).finalize().into();
    hash.first_chunk().copied().unwrap_or_default()
}

fn put_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.extend(char::from_digit(digit.into(), 16));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_no_other() {
        let (one, two) = (Token::random().unwrap(), Token::random().unwrap());
        assert_eq!(one.reveal().len(), 76);
        let read = Token::parse(one.reveal()).unwrap();
        assert!(read.hash().is(&one.hash().0) && !read.hash().is(&two.hash().0));
        assert_eq!(format!("{one:?} {:?}", one.hash()), "Token(…) TokenHash(…)");
    }

    #[test]
    fn a_slip_of_the_pen_is_seen() {
        let token = Token::random().unwrap();
        let text = token.reveal();
        for index in 0..text.len() {
            let mut wrong = text.to_owned();
            let other = if text.as_bytes()[index] == b'0' { "1" } else { "0" };
            wrong.replace_range(index..=index, other);
            assert_eq!(Token::parse(&wrong).err(), Some(NoToken), "{index}");
            assert!(Token::parse(&text[..index]).is_err());
        }
        for wrong in ["", "gdb_", "gdb_é", &format!("{text}0"), &text.to_uppercase()] {
            assert!(Token::parse(wrong).is_err(), "{wrong}");
        }
    }
}
