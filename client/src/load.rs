//! Files of alignments on their way into a table.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde::Deserialize;
use tokio::{fs::File, io::AsyncReadExt as _};

use crate::{Error, connection::Body};

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// What becomes of a file that is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// The table; created if there is none.
    pub table: String,
    /// Its dataset; none is the default one.
    pub dataset: Option<String>,
    /// What the source is called.
    pub name: Option<String>,
    /// The sample of every read, whatever its read group says.
    pub sample: Option<String>,
    /// Loads the file even if the table has the same content already.
    pub force: bool,
}

/// What a load did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Loaded {
    /// What the source is called.
    pub source: String,
    /// The records of the file.
    pub records: u64,
    /// Bytes that were stored.
    pub stored_bytes: u64,
    /// Milliseconds that it took.
    pub elapsed_ms: u64,
}

impl Load {
    /// Into a table, and nothing else said.
    pub fn into_table(table: impl Into<String>) -> Self {
        Self { table: table.into(), ..Self::default() }
    }

    /// The address of the request.
    pub(crate) fn path(&self) -> String {
        let mut path = format!("/v1/load?table={}", encoded(&self.table));
        let optional = [("dataset", &self.dataset), ("name", &self.name), ("sample", &self.sample)];
        for (key, value) in optional {
            if let Some(value) = value {
                path.push_str(&format!("&{key}={}", encoded(value)));
            }
        }
        if self.force {
            path.push_str("&force=true");
        }
        path
    }
}

/// A text as it stands behind `=` in an address.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// A file as the body of a request, read as fast as it is sent.
pub(crate) async fn body(path: &Path) -> Result<Body, Error> {
    let file = File::open(path).await.map_err(|source| Error::File { path: path.to_owned(), source })?;
    let chunks = stream::try_unfold(file, |mut file| async {
        let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
        let count = file.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((count > 0).then(|| (Bytes::from(chunk), file)))
    });
    Ok(StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data))).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_in_the_address() {
        assert_eq!(Load::into_table("reads").path(), "/v1/load?table=reads");
        let load = Load { name: Some("a b&c=é".to_owned()), force: true, ..Load::into_table("t") };
        assert_eq!(load.path(), "/v1/load?table=t&name=a%20b%26c%3D%C3%A9&force=true");
    }
}
