//! A slice: its header, its blocks, and where its reference bases come from (CRAM v3 § 8.5).

use std::sync::Arc;

use super::{
    Shared,
    block::{Block, CORE_DATA, EXTERNAL_DATA, MAPPED_SLICE_HEADER, UNMAPPED_SLICE_HEADER},
    budget::Budget,
    corrupt::{Broken, Corrupt},
    cursor::Cursor,
    reference_bases::ReferenceBases,
};
use crate::reference::{Reference, hexadecimal, md5_of};

/// What a slice says of itself.
#[derive(Debug)]
pub(super) struct SliceHeader {
    /// A contig's number, or one of the two below.
    pub(super) contig: i32,
    /// 1-based; 0 where there is none.
    pub(super) start: i64,
    pub(super) span: i64,
    pub(super) records: usize,
    pub(super) record_counter: i64,
    blocks: usize,
    embedded_reference: i32,
    md5: [u8; 16],
}

/// The slice's records lie on several contigs.
pub(super) const SEVERAL_CONTIGS: i32 = -2;

impl SliceHeader {
    fn read(cursor: &mut Cursor<'_>, shared: &Shared, budget: &mut Budget) -> Result<Self, Corrupt> {
        let block = Block::read(cursor, shared.version)?;
        if block.kind != MAPPED_SLICE_HEADER && block.kind != UNMAPPED_SLICE_HEADER {
            return Err(format!("a block of kind {} stands where a slice's header must", block.kind).into());
        }
        let bytes = block.decompress(budget)?;
        let cursor = &mut Cursor(&bytes);
        let (contig, start, span) = (cursor.itf8()?, cursor.itf8()?, cursor.itf8()?);
        if start < 0 || span < 0 {
            return Err(format!("the slice starts at {start} and spans {span} bases").into());
        }
        let records = cursor.size("the number of records of a slice")?;
        let record_counter =
            if shared.version.major == 2 { i64::from(cursor.itf8()?) } else { cursor.ltf8()? };
        let blocks = cursor.size("the number of blocks of a slice")?;
        let content_ids = cursor.size("the number of content ids of a slice")?;
        for _ in 0..content_ids {
            cursor.itf8()?;
        }
        let embedded_reference = cursor.itf8()?;
        let md5 = cursor.array()?;
        let (start, span) = (i64::from(start), i64::from(span));
        Ok(Self { contig, start, span, records, record_counter, blocks, embedded_reference, md5 })
    }
}

/// A slice with its blocks decompressed.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) header: SliceHeader,
    pub(super) core: Vec<u8>,
    /// Content id and bytes of each external block.
    pub(super) external: Vec<(i32, Vec<u8>)>,
}

impl Slice {
    pub(super) fn read(
        cursor: &mut Cursor<'_>,
        shared: &Shared,
        budget: &mut Budget,
    ) -> Result<Self, Corrupt> {
        let header = SliceHeader::read(cursor, shared, budget)?;
        let (mut core, mut external) = (None, Vec::new());
        for _ in 0..header.blocks {
            let block = Block::read(cursor, shared.version)?;
            let bytes = block.decompress(budget)?;
            match block.kind {
                CORE_DATA => core = Some(bytes),
                EXTERNAL_DATA => external.push((block.content_id, bytes)),
                kind => return Err(format!("a block of kind {kind} stands inside a slice").into()),
            }
        }
        let core = core.ok_or("a slice has no core block")?;
        Ok(Self { header, core, external })
    }

    /// Returns where the bases of the reference come from, and checks that they are the right ones.
    pub(super) fn reference_bases<'s>(
        &'s self,
        shared: &'s Shared,
        needs_reference: bool,
    ) -> Result<ReferenceBases<'s>, Broken> {
        let header = &self.header;
        if header.contig == SEVERAL_CONTIGS {
            return Ok(if needs_reference { ReferenceBases::Several } else { ReferenceBases::None });
        }
        if header.contig < 0 {
            return Ok(ReferenceBases::None);
        }
        if header.embedded_reference >= 0 {
            let block = self.external.iter().find(|(id, _)| *id == header.embedded_reference);
            let (_, bases) = block.ok_or("the embedded reference is not in the slice")?;
            let span = usize::try_from(header.span).unwrap_or(usize::MAX);
            let bases = bases.get(..span).ok_or("the embedded reference is shorter than the slice")?;
            self.check_md5(shared, &md5_of(bases), "the reference embedded in the file")?;
            return Ok(ReferenceBases::Embedded { start: header.start, bases });
        }
        if !needs_reference {
            return Ok(ReferenceBases::None);
        }
        let reference = shared.reference_of(header.contig)?;
        let length = reference.length_of(header.contig).map_err(Broken::Reference)?;
        let start = u64::try_from(header.start - 1).unwrap_or(0);
        let end = u64::try_from(header.start - 1 + header.span).unwrap_or(0).min(length);
        if self.header.md5 != [0; 16] {
            let found = reference.md5(header.contig, start..end.max(start)).map_err(Broken::Reference)?;
            self.check_md5(shared, &found, &format!("`{}`", reference.path().display()))?;
        }
        Ok(ReferenceBases::external(reference.clone(), header.contig, end))
    }

    fn check_md5(&self, shared: &Shared, found: &[u8; 16], where_from: &str) -> Result<(), Broken> {
        let header = &self.header;
        if header.md5 == [0; 16] || header.md5 == *found {
            return Ok(());
        }
        let (name, start, end) =
            (shared.contig_name(header.contig), header.start, header.start + header.span - 1);
        Err(Broken::Reference(format!(
            "the reference of contig `{name}` is another one than the reads were packed with: the MD5 of {name}:{start}-{end} is {}, in {where_from} it is {}",
            hexadecimal(&header.md5),
            hexadecimal(found),
        )))
    }
}

impl Shared {
    /// Returns the reference, which must have the contig.
    pub(super) fn reference_of(&self, contig: i32) -> Result<&Arc<Reference>, Broken> {
        let Some(reference) = &self.reference else {
            return Err(Broken::Reference(format!(
                "it is packed against a reference and contig `{}`{} is needed: give a FASTA file with it as the reference",
                self.contig_name(contig),
                self.contig_md5(contig).map(|md5| format!(" (MD5 {md5})")).unwrap_or_default(),
            )));
        };
        reference.check(contig).map_err(Broken::Reference)?;
        Ok(reference)
    }
}
