//! Where a watch has come to, as bytes that a client keeps: `version u8`, then for each range
//! `range u64 · index u64 · first key · end`, numbers big-endian, keys behind their length u16.
//!
//! They come back from clients, and so may be anything: only spans of clients' keys are taken.

use genomdb_layout::key;
use genomdb_storage::{Key, KeyRange, Position, RangeId};

use super::KvError;

const VERSION: u8 = 1;
/// More ranges are not watched at once.
const POSITIONS_MAX: usize = 10_000;

/// Returns the bytes of positions.
pub(crate) fn to_bytes(positions: &[Position]) -> Vec<u8> {
    let mut out = vec![VERSION];
    for Position { range, keys, index } in positions {
        out.extend_from_slice(&range.0.to_be_bytes());
        out.extend_from_slice(&index.to_be_bytes());
        // The end of all clients' keys stands for no end: no client has keys behind it.
        for key in [&keys.start, keys.end.as_ref().unwrap_or(&clients_end())] {
            // Keys of the store are shorter by far.
            let length = u16::try_from(key.len()).unwrap_or(u16::MAX);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(key.get(..usize::from(length)).unwrap_or_default());
        }
    }
    out
}

/// Reads positions back.
///
/// # Errors
///
/// If the bytes are none, or name anything but clients' keys.
pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Vec<Position>, KvError> {
    let (&[VERSION], mut rest) = bytes.split_first_chunk::<1>().ok_or(KvError::Position)? else {
        return Err(KvError::Position);
    };
    let mut positions = Vec::new();
    while !rest.is_empty() {
        let position = read(&mut rest).filter(is_of_clients).ok_or(KvError::Position)?;
        positions.push(position);
        if positions.len() > POSITIONS_MAX {
            return Err(KvError::Position);
        }
    }
    match positions.is_empty() {
        true => Err(KvError::Position),
        false => Ok(positions),
    }
}

fn read(rest: &mut &[u8]) -> Option<Position> {
    let range = RangeId(u64::from_be_bytes(take(rest)?));
    let index = u64::from_be_bytes(take(rest)?);
    let mut key = || {
        let length = usize::from(u16::from_be_bytes(take(rest)?));
        let (key, behind) = rest.split_at_checked(length)?;
        *rest = behind;
        Some(Key::copy_from_slice(key))
    };
    let keys = KeyRange::new(key()?, key()?);
    Some(Position { range, keys, index })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn is_of_clients(Position { range, keys, .. }: &Position) -> bool {
    let all = KeyRange::prefix(key::client_prefix());
    let ends = keys.end.as_ref().is_some_and(|end| *end <= clients_end());
    // The placement driver's own keys are in a space of their own, and its range is told by its number.
    *range != RangeId::PLACEMENT && all.start <= keys.start && ends
}

/// The first key behind all of clients.
fn clients_end() -> Key {
    KeyRange::prefix(key::client_prefix()).end.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(range: u64, start: &[u8], end: Option<&[u8]>) -> Position {
        let end = end.map(Key::copy_from_slice);
        Position {
            range: RangeId(range),
            keys: KeyRange { start: Key::copy_from_slice(start), end },
            index: 7,
        }
    }

    #[test]
    fn bytes_give_positions_back() {
        let positions = [position(2, &[16], Some(&[16, 5])), position(9, &[16, 5], Some(&[17]))];
        let bytes = to_bytes(&positions);
        assert_eq!(from_bytes(&bytes).unwrap(), positions);
        for cut in 0..bytes.len() {
            // A cut between two positions leaves the first.
            assert!(from_bytes(&bytes[..cut]).map_or(true, |found| found == positions[..1]), "{cut}");
        }
        let open = to_bytes(&[position(2, &[16], None)]);
        assert_eq!(from_bytes(&open).unwrap(), [position(2, &[16], Some(&[17]))]);
    }

    #[test]
    fn nothing_but_clients_keys_is_watched() {
        for hostile in [
            position(2, &[1], Some(&[17])),
            position(2, &[16], Some(&[17, 0])),
            position(2, &[], Some(&[16])),
            position(1, &[16], Some(&[17])),
        ] {
            assert!(from_bytes(&to_bytes(std::slice::from_ref(&hostile))).is_err(), "{hostile:?}");
        }
        assert!(from_bytes(&[]).is_err() && from_bytes(&[VERSION]).is_err() && from_bytes(&[9, 9]).is_err());
    }
}
