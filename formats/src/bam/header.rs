//! The header of a BAM: SAM text, and the reference sequences again in binary.

use std::{io::Write, sync::Arc};

use genomdb_genome::{Contig, Contigs};

use crate::{FormatError, Header, byte_stream::ByteStream, error::printable};

/// Reads everything up to the first record.
pub(super) fn read(bytes: &mut ByteStream) -> Result<Header, FormatError> {
    let file = bytes.file().clone();
    let error = |reason: &str| FormatError::Header { file: file.clone(), line: None, reason: reason.into() };
    if bytes.take(4)? != b"BAM\x01" {
        return Err(error("it does not start with `BAM\\1`"));
    }
    let text_length = read_length(bytes, &file)?;
    let text = bytes.take(text_length)?;
    if text.len() < text_length {
        return Err(breaks_off(&file));
    }
    let text = text.to_vec();
    let mut header = Header::parse(&file, text)?;
    let contigs = read_contigs(bytes, &file)?;
    if header.contigs.is_empty() {
        for contig in contigs.iter() {
            let length = contig.length.unwrap_or_default();
            writeln!(header.text, "@SQ\tSN:{}\tLN:{length}", contig.name)
                .map_err(|source| FormatError::Io { file: file.clone(), source })?;
        }
        header.contigs = contigs;
    } else if let Some(reason) = contradiction(&header.contigs, &contigs) {
        return Err(error(&reason));
    }
    Ok(header)
}

fn read_contigs(bytes: &mut ByteStream, file: &Arc<str>) -> Result<Contigs, FormatError> {
    let error = |reason: String| FormatError::Header { file: file.clone(), line: None, reason };
    let count = read_length(bytes, file)?;
    let mut contigs = Contigs::default();
    for number in 1..=count {
        let name_length = read_length(bytes, file)?;
        let name = bytes.take(name_length)?;
        if name.len() < name_length {
            return Err(breaks_off(file));
        }
        // htslib reads names that lack their NUL, and so do we.
        let name = name.strip_suffix(b"\0").unwrap_or(name);
        if name.is_empty() || !name.iter().all(u8::is_ascii_graphic) {
            return Err(error(format!("`{}` is not a name of a reference sequence", printable(name))));
        }
        let name: Arc<str> = String::from_utf8_lossy(name).into();
        let length = read_u32(bytes, file)?;
        let contig = Contig { name, length: Some(length.into()), md5: None };
        contigs.push(contig).map_err(|e| error(format!("reference sequence {number}: {e}")))?;
    }
    Ok(contigs)
}

/// Says where the text and the binary list of reference sequences differ.
fn contradiction(text: &Contigs, binary: &Contigs) -> Option<String> {
    if text.len() != binary.len() {
        let (text, binary) = (text.len(), binary.len());
        return Some(format!("its text lists {text} reference sequences, its binary part {binary}"));
    }
    let differs = |(text, binary): &(&Contig, &Contig)| {
        // A length beyond 32 bits does not fit the binary part.
        let length = text.length.map(|length| length.min(u32::MAX.into()));
        text.name != binary.name || length != binary.length
    };
    let (text, binary) = text.iter().zip(binary.iter()).find(differs)?;
    let length = |contig: &Contig| contig.length.unwrap_or_default();
    Some(format!(
        "its text has reference sequence `{}` of {} bases where its binary part has `{}` of {}",
        text.name,
        length(text),
        binary.name,
        length(binary)
    ))
}

fn read_u32(bytes: &mut ByteStream, file: &Arc<str>) -> Result<u32, FormatError> {
    let taken = bytes.take(4)?.first_chunk::<4>();
    taken.map(|&taken| u32::from_le_bytes(taken)).ok_or_else(|| breaks_off(file))
}

fn read_length(bytes: &mut ByteStream, file: &Arc<str>) -> Result<usize, FormatError> {
    let length = read_u32(bytes, file)?;
    usize::try_from(length).ok().filter(|&length| length <= i32::MAX as usize).ok_or_else(|| {
        let reason = format!("it claims a length of {length}");
        FormatError::Header { file: file.clone(), line: None, reason }
    })
}

fn breaks_off(file: &Arc<str>) -> FormatError {
    FormatError::Truncated { file: file.clone(), reason: "the header breaks off".into() }
}
