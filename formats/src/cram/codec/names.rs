//! The name tokenizer of CRAM 3.1 (CRAM codecs § 5): names as tokens that repeat or step on from another
//! name's, each token position with streams of its own.

use super::{arithmetic, rans_nx16};
use crate::cram::{budget::Budget, corrupt::Corrupt, cursor::Cursor};

// Kinds of tokens, which number a position's streams too.
const TYPE: u8 = 0;
const STRING: u8 = 1;
const CHAR: u8 = 2;
const PADDED_DIGITS: u8 = 3;
const PADDED_LENGTH: u8 = 4;
const DUPLICATE: u8 = 5;
const DIFFERENCE: u8 = 6;
const DIGITS: u8 = 7;
const DELTA: u8 = 8;
const PADDED_DELTA: u8 = 9;
const MATCH: u8 = 10;
const END: u8 = 12;

const KINDS: usize = 13;
const POSITIONS_MAX: usize = 128;

/// Decodes names, each ended by NUL.
pub(super) fn decode(bytes: &[u8], length: usize, budget: &mut Budget) -> Result<Vec<u8>, Corrupt> {
    let mut cursor = Cursor(bytes);
    let stated = cursor.u32()? as usize;
    let count = cursor.u32()? as usize;
    let arithmetic_coded = cursor.byte()? != 0;
    if stated != length || count > length {
        return Err(format!("{count} names in {stated} bytes, their block says {length}").into());
    }
    let streams = read_streams(&mut cursor, count, arithmetic_coded, budget)?;
    let mut positions: Vec<[Cursor<'_>; KINDS]> =
        streams.iter().map(|position| std::array::from_fn(|kind| Cursor(stream(position, kind)))).collect();
    // A name takes an entry here and its tokens below, at most one for each byte and the end.
    budget.spend((count + length) * size_of::<Token>())?;
    let mut names = Names { bytes: Vec::with_capacity(length), length_max: length, ..Names::default() };
    for _ in 0..count {
        names.decode_one(&mut positions)?;
    }
    Ok(names.bytes)
}

type Position = [Vec<u8>; KINDS];

fn stream(position: &Position, kind: usize) -> &[u8] {
    position.get(kind).map_or(&[], Vec::as_slice)
}

fn read_streams(
    cursor: &mut Cursor<'_>,
    count: usize,
    arithmetic_coded: bool,
    budget: &mut Budget,
) -> Result<Vec<Position>, Corrupt> {
    let mut positions: Vec<Position> = Vec::new();
    while !cursor.is_empty() {
        let head = cursor.byte()?;
        let kind = usize::from(head & 0x3f);
        if kind >= KINDS {
            return Err(format!("unknown kind {kind} of a name's token").into());
        }
        if head & 0x80 != 0 {
            if positions.len() == POSITIONS_MAX {
                return Err("names of more than 128 tokens".into());
            }
            let mut position = Position::default();
            if kind != usize::from(TYPE) && count > 0 {
                // The first name has a token of this kind here, all others repeat theirs.
                budget.spend(count)?;
                let mut types = vec![MATCH; count];
                types.first_mut().into_iter().for_each(|first| *first = head & 0x3f);
                position = std::array::from_fn(|kind| {
                    if kind == usize::from(TYPE) { std::mem::take(&mut types) } else { Vec::new() }
                });
            }
            positions.push(position);
        }
        let bytes = if head & 0x40 != 0 {
            let (from, kind) = (usize::from(cursor.byte()?), usize::from(cursor.byte()?));
            let bytes = positions.get(from).and_then(|position| position.get(kind));
            let bytes = bytes.ok_or("a token stream repeats one that is not there")?;
            budget.spend(bytes.len())?;
            bytes.clone()
        } else {
            let size = cursor.uint7()?;
            let bytes = cursor.take(size)?;
            if arithmetic_coded {
                arithmetic::decode(bytes, None, budget)?
            } else {
                rans_nx16::decode(bytes, None, budget)?
            }
        };
        let place = positions.last_mut().and_then(|position| position.get_mut(kind));
        *place.ok_or("a token stream stands before its position")? = bytes;
    }
    Ok(positions)
}

#[derive(Clone, Copy, Debug)]
enum Token {
    /// Bytes of `Names::bytes`.
    Text { start: usize, length: usize },
    /// A number, and how many digits it has at least.
    Number { value: u32, width: Option<u8> },
    /// A place that holds nothing.
    Nothing,
}

#[derive(Default)]
struct Names {
    bytes: Vec<u8>,
    length_max: usize,
    tokens: Vec<Token>,
    /// Of each name: where its bytes and its tokens start.
    starts: Vec<(usize, usize)>,
}

impl Names {
    fn decode_one(&mut self, positions: &mut [[Cursor<'_>; KINDS]]) -> Result<(), Corrupt> {
        let (head, rest) = positions.split_first_mut().ok_or("names without tokens")?;
        let [types, _, _, _, _, duplicates, differences, ..] = head;
        let kind = types.byte()?;
        let distance = match kind {
            DUPLICATE => duplicates.u32()?,
            DIFFERENCE => differences.u32()?,
            _ => return Err("a name neither repeats nor differs from another".into()),
        };
        let index = self.starts.len();
        let before = index.checked_sub(distance as usize).ok_or("a name refers to one before the first")?;
        let before = (distance > 0).then_some(before);
        let start = (self.bytes.len(), self.tokens.len());
        let old_tokens = before.map_or(0..0, |before| self.token_range(before));
        if kind == DUPLICATE {
            let before = before.ok_or("a name repeats itself")?;
            let from = self.starts.get(before).map_or(0, |&(bytes, _)| bytes);
            let to = self.starts.get(before + 1).map_or(start.0, |&(bytes, _)| bytes);
            self.starts.push(start);
            self.bytes.extend_from_within(from..to);
            self.tokens.extend_from_within(old_tokens);
            if self.bytes.len() > self.length_max {
                return Err("the names are longer than their block says".into());
            }
            return Ok(());
        }
        self.starts.push(start);
        for (offset, streams) in rest.iter_mut().enumerate() {
            let old = self.tokens.get(old_tokens.clone()).and_then(|tokens| tokens.get(offset)).copied();
            let Some(token) = self.decode_token(streams, old)? else {
                self.bytes.push(0);
                return Ok(());
            };
            self.tokens.push(token);
            if self.bytes.len() > self.length_max {
                return Err("the names are longer than their block says".into());
            }
        }
        Err("a name has no end".into())
    }

    fn token_range(&self, name: usize) -> std::ops::Range<usize> {
        let start = self.starts.get(name).map_or(0, |&(_, tokens)| tokens);
        let end = self.starts.get(name + 1).map_or(self.tokens.len(), |&(_, tokens)| tokens);
        start..end
    }

    /// Appends what the token says to the name; `None` is the name's end.
    fn decode_token(
        &mut self,
        streams: &mut [Cursor<'_>; KINDS],
        old: Option<Token>,
    ) -> Result<Option<Token>, Corrupt> {
        let [types, strings, chars, padded, widths, _, _, digits, deltas, padded_deltas, ..] = streams;
        let start = self.bytes.len();
        let token = match types.byte()? {
            STRING => {
                let length = strings.0.iter().position(|&byte| byte == 0).ok_or("a string has no end")?;
                self.bytes.extend_from_slice(strings.take(length)?);
                strings.byte()?;
                Token::Text { start, length }
            }
            CHAR => {
                self.bytes.push(chars.byte()?);
                Token::Text { start, length: 1 }
            }
            PADDED_DIGITS => self.number(padded.u32()?, Some(widths.byte()?)),
            DIGITS => self.number(digits.u32()?, None),
            DELTA => match old {
                Some(Token::Number { value, width: None }) => {
                    self.number(value.wrapping_add(u32::from(deltas.byte()?)), None)
                }
                _ => return Err("a step from what is no number".into()),
            },
            PADDED_DELTA => match old {
                Some(Token::Number { value, width: Some(width) }) => {
                    self.number(value.wrapping_add(u32::from(padded_deltas.byte()?)), Some(width))
                }
                _ => return Err("a step from what is no padded number".into()),
            },
            MATCH => match old.ok_or("a token repeats one that is not there")? {
                Token::Text { start: from, length } => {
                    self.bytes.extend_from_within(from..from + length);
                    Token::Text { start, length }
                }
                Token::Number { value, width } => self.number(value, width),
                Token::Nothing => Token::Nothing,
            },
            END => return Ok(None),
            _ => Token::Nothing,
        };
        Ok(Some(token))
    }

    fn number(&mut self, value: u32, width: Option<u8>) -> Token {
        let text = format!("{value:0width$}", width = usize::from(width.unwrap_or(0)));
        self.bytes.extend_from_slice(text.as_bytes());
        Token::Number { value, width }
    }
}

const _: () = assert!(PADDED_LENGTH as usize == 4 && DUPLICATE as usize == 5 && DIFFERENCE as usize == 6);
