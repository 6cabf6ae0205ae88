//! A body on its way into the loader, which reads it on a thread that may wait.

use std::io::{self, Read};

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

/// Pieces that wait for the loader; then the sender of the body waits, too.
const PIECES_MAX: usize = 8;

enum Piece {
    Data(Bytes),
    /// The body came to its end. Without it, what came is not the whole.
    End,
    Broken(String),
}

/// The reading end.
pub(super) struct Upload {
    pieces: mpsc::Receiver<Piece>,
    piece: Bytes,
    ended: bool,
}

/// The reading end, and what carries the body there.
pub(super) fn pipe(body: Body) -> (Upload, impl Future<Output = ()> + Send) {
    let (sender, pieces) = mpsc::channel(PIECES_MAX);
    (Upload { pieces, piece: Bytes::new(), ended: false }, carry(body, sender))
}

async fn carry(mut body: Body, sender: mpsc::Sender<Piece>) {
    loop {
        let piece = match body.frame().await {
            None => Piece::End,
            Some(Err(error)) => Piece::Broken(error.to_string()),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Piece::Data(data),
                // Trailers say nothing here.
                Err(_) => continue,
            },
        };
        let is_last = !matches!(piece, Piece::Data(_));
        // The loader may want no more.
        if sender.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

impl Read for Upload {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => self.piece = data,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Broken(reason)) => return Err(broken_off(&reason)),
                None => return Err(broken_off("whoever sent it is gone")),
            }
        }
        let length = self.piece.len().min(buffer.len());
        let piece = self.piece.split_to(length);
        if let Some(start) = buffer.get_mut(..length) {
            start.copy_from_slice(&piece);
        }
        Ok(length)
    }
}

fn broken_off(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the upload broke off: {reason}"))
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn read(pieces: Vec<Result<&'static str, io::Error>>) -> (String, io::Result<usize>) {
        let body = Body::from_stream(stream::iter(pieces));
        let (mut upload, feed) = pipe(body);
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            let end = upload.read_to_string(&mut text);
            (text, end)
        });
        futures::executor::block_on(feed);
        reading.join().unwrap()
    }

    #[test]
    fn what_breaks_off_is_not_the_whole() {
        let (whole, end) = read(vec![Ok("ab"), Ok(""), Ok("c")]);
        assert_eq!((whole.as_str(), end.unwrap()), ("abc", 3));
        let (_, broken) = read(vec![Ok("ab"), Err(io::Error::other("gone"))]);
        assert!(broken.unwrap_err().to_string().contains("broke off"));
    }

    #[test]
    fn a_sender_that_is_gone_is_no_end() {
        let (mut upload, feed) = pipe(Body::from("abc"));
        drop(feed);
        let error = upload.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
