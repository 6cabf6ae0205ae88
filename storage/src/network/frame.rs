//! Frames: what one message of the HTTP/2 stream holds, and their codec.
//!
//! A frame is one packed run of requests, or of answers, until its bytes end:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | number of the call, little-endian; the answer has that of its request |
//! | 1 | kind: 0 the bytes asked or answered, 1 an answer too large to send (its size, 8 bytes) |
//! | 4 | length of the bytes, little-endian |
//! | … | the bytes |
//!
//! Of our own rather than of prost: there is nothing to decode but lengths, and the bytes of all requests
//! of a frame stay slices of it.

use bytes::{Buf, BufMut, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// Bytes of what is before the bytes of a request or answer.
pub(super) const HEADER_BYTES: usize = 13;

/// What the bytes of a message are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What was asked or answered.
    Body,
    /// The answer is too large; the bytes are its size.
    TooLarge,
}

/// A request or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Number of the call within its connection.
    pub(super) call: u64,
    /// What the bytes are.
    pub(super) kind: Kind,
    /// The bytes.
    pub(super) body: Bytes,
}

impl Message {
    /// Bytes on the wire.
    pub(super) fn bytes(&self) -> usize {
        self.body.len() + HEADER_BYTES
    }
}

/// Messages of a frame that arrived, cut off one after the other as they are asked for: nothing is
/// allocated for what a frame merely claims to hold.
#[derive(Debug, Default)]
pub(super) struct Messages(Bytes);

impl Messages {
    /// Those of the bytes of a frame.
    #[cfg(test)]
    pub(super) fn new(frame: Bytes) -> Self {
        Self(frame)
    }

    /// Whether there is none left.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next message; an error if the bytes are no frame.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        if self.0.len() < HEADER_BYTES {
            return Err(Malformed::Header(self.0.len()));
        }
        let call = self.0.get_u64_le();
        let kind = match self.0.get_u8() {
            0 => Kind::Body,
            1 => Kind::TooLarge,
            other => return Err(Malformed::Kind(other)),
        };
        let length = self.0.get_u32_le();
        let rest = self.0.len();
        match usize::try_from(length) {
            Ok(length) if length <= rest => Ok(Some(Message { call, kind, body: self.0.split_to(length) })),
            _ => Err(Malformed::Length { length, rest }),
        }
    }
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// Too few bytes for a header.
    #[error("a frame ends with {0} bytes that are no message")]
    Header(usize),
    /// A kind nobody knows.
    #[error("kind {0} of a message is not known")]
    Kind(u8),
    /// A message longer than what is left.
    #[error("a message of {length} bytes where {rest} are left in its frame")]
    Length {
        /// What it claims.
        length: u32,
        /// What there is.
        rest: usize,
    },
}

/// Writes runs of messages as frames and reads them back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameCodec;

impl Codec for FrameCodec {
    type Encode = Vec<Message>;
    type Decode = Messages;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for FrameCodec {
    type Item = Vec<Message>;
    type Error = Status;

    fn encode(&mut self, frame: Vec<Message>, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.reserve(frame.iter().map(Message::bytes).sum());
        for message in frame {
            let length = u32::try_from(message.body.len())
                .map_err(|_| Status::internal("a message of more than 4 GiB"))?;
            target.put_u64_le(message.call);
            target.put_u8(match message.kind {
                Kind::Body => 0,
                Kind::TooLarge => 1,
            });
            target.put_u32_le(length);
            target.put_slice(&message.body);
        }
        Ok(())
    }
}

impl Decoder for FrameCodec {
    type Item = Messages;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Messages>, Status> {
        // No copy: the buffer is split.
        Ok(Some(Messages(source.copy_to_bytes(source.remaining()))))
    }
}
