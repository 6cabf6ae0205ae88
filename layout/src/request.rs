//! What is remembered of a request that a client may send again.

use crate::{
    LayoutError,
    cursor::{Cursor, put_varint},
    envelope,
};

/// What is remembered of a request, under [`crate::key::request_key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestEntry {
    /// A digest of what it asked for: another request of the same name is a mistake.
    pub fingerprint: u128,
    /// How far it is.
    pub state: RequestState,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestState {
    /// It is done once as the request of this sender of the store, who knows the answer.
    Sent {
        /// A random number.
        sender: u64,
    },
    /// It took effect.
    Done,
    /// It changed nothing, as this condition did not hold, counted from 0.
    ConditionFailed {
        /// Which.
        condition: u32,
    },
}

impl RequestEntry {
    /// Returns the stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = self.fingerprint.to_le_bytes().to_vec();
        match self.state {
            RequestState::Sent { sender } => {
                out.push(1);
                put_varint(&mut out, sender);
            }
            RequestState::Done => out.push(2),
            RequestState::ConditionFailed { condition } => {
                out.push(3);
                put_varint(&mut out, u64::from(condition));
            }
        }
        envelope::seal(&out)
    }

    /// Reads an entry back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open("request", bytes)?;
        let mut cursor = Cursor::new("request", &payload);
        let fingerprint = u128::from_le_bytes(cursor.array()?);
        let state = match cursor.u8()? {
            1 => RequestState::Sent { sender: cursor.varint()? },
            2 => RequestState::Done,
            3 => {
                let condition = u32::try_from(cursor.varint()?);
                let condition = condition.map_err(|_| cursor.corrupt("a condition of no transaction"))?;
                RequestState::ConditionFailed { condition }
            }
            _ => return Err(cursor.corrupt("of no known state")),
        };
        cursor.finish()?;
        Ok(Self { fingerprint, state })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_give_the_request_back() {
        for state in [
            RequestState::Sent { sender: u64::MAX },
            RequestState::Done,
            RequestState::ConditionFailed { condition: u32::MAX },
        ] {
            let entry = RequestEntry { fingerprint: u128::MAX / 3, state };
            let bytes = entry.to_bytes();
            assert_eq!(RequestEntry::from_bytes(&bytes), Ok(entry));
            for cut in 0..bytes.len() {
                assert!(RequestEntry::from_bytes(&bytes[..cut]).is_err());
            }
        }
    }
}
