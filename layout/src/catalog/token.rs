//! Who may ask: the stored side of a token, without its secret.

use xxhash_rust::xxh3::xxh3_128;

use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
    envelope,
    key::Key,
};

/// A token as it is stored: whose it is, what it allows, and a hash of it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenEntry {
    /// What it is called; there is one of each name.
    pub name: String,
    /// The name of the role that it gives.
    pub role: String,
    /// The SHA-256 of its text.
    pub hash: [u8; 32],
    /// When it was made, in ms since 1970.
    pub created_ms: u64,
    /// From when on it is not accepted, in ms since 1970.
    pub expires_ms: Option<u64>,
}

impl std::fmt::Debug for TokenEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, role, hash: _, created_ms, expires_ms } = self;
        let mut out = formatter.debug_struct("TokenEntry");
        out.field("name", name).field("role", role).field("created_ms", created_ms);
        out.field("expires_ms", expires_ms).finish_non_exhaustive()
    }
}

impl TokenEntry {
    /// Returns the key of the token of that name.
    ///
    /// Keys of one kind have one length, so a hash stands for the name. Two names with one hash share a key:
    /// then there is one of the two tokens at most.
    pub fn key(name: &str) -> Key {
        Key::Token { name: xxh3_128(name.as_bytes()) }
    }

    /// Returns the stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_bytes(&mut out, self.name.as_bytes());
        put_bytes(&mut out, self.role.as_bytes());
        out.extend_from_slice(&self.hash);
        put_varint(&mut out, self.created_ms);
        out.push(u8::from(self.expires_ms.is_some()));
        if let Some(ms) = self.expires_ms {
            put_varint(&mut out, ms);
        }
        envelope::seal(&out)
    }

    /// Reads an entry back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open("token", bytes)?;
        let mut cursor = Cursor::new("token", &payload);
        let (name, role) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
        let (hash, created_ms) = (cursor.array()?, cursor.varint()?);
        let expires_ms = match cursor.u8()? {
            0 => None,
            1 => Some(cursor.varint()?),
            _ => return Err(cursor.corrupt("neither with nor without an end")),
        };
        cursor.finish()?;
        Ok(Self { name, role, hash, created_ms, expires_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_the_token_back() {
        for expires_ms in [None, Some(u64::MAX)] {
            let (name, role) = ("pipeline".to_owned(), "writer".to_owned());
            let token = TokenEntry { name, role, hash: [0xa5; 32], created_ms: 1, expires_ms };
            let bytes = token.to_bytes();
            assert_eq!(TokenEntry::from_bytes(&bytes), Ok(token.clone()));
            for cut in 0..bytes.len() {
                assert!(TokenEntry::from_bytes(&bytes[..cut]).is_err());
            }
            assert!(!format!("{token:?}").contains("165"), "the hash is nobody's business");
        }
    }
}
