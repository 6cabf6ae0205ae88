//! The bytes of the catalog.

use genomdb_genome::{
    Contig, Contigs,
    alignment::tag::{TagKey, TagType},
};

use super::{Catalog, ReadGroupEntry, SourceSummary, TableEntry, TableKind, ViewEntry};
use crate::{
    LayoutError,
    block::{TagColumn, put_tag_column, tag_column},
    cursor::{Cursor, put_bytes, put_varint},
    envelope,
    key::{SourceId, TableId},
    rows::{put_schema, read_schema},
};

const WHAT: &str = "catalog";

impl Catalog {
    /// Returns the stored bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_varint(&mut out, self.version);
        put_varint(&mut out, self.next_table.into());
        put_varint(&mut out, self.next_source.into());
        put_list(&mut out, &self.datasets, |out, name| put_bytes(out, name.as_bytes()));
        put_list(&mut out, &self.tables, put_table);
        put_list(&mut out, &self.views, |out, view| {
            put_bytes(out, view.dataset.as_bytes());
            put_bytes(out, view.name.as_bytes());
            put_bytes(out, view.text.as_bytes());
        });
        envelope::seal(&out)
    }

    /// Reads a catalog back.
    ///
    /// # Errors
    ///
    /// If the bytes are damaged or of a later version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LayoutError> {
        let payload = envelope::open(WHAT, bytes)?;
        let mut cursor = Cursor::new(WHAT, &payload);
        let catalog = Self {
            version: cursor.varint()?,
            next_table: cursor.number(u32::MAX)?,
            next_source: cursor.number(u32::MAX)?,
            datasets: read_list(&mut cursor, |cursor| read_text(cursor))?,
            tables: read_list(&mut cursor, read_table)?,
            views: read_list(&mut cursor, |cursor| {
                Ok(ViewEntry {
                    dataset: read_text(cursor)?,
                    name: read_text(cursor)?,
                    text: read_text(cursor)?,
                })
            })?,
        };
        cursor.finish()?;
        Ok(catalog)
    }
}

fn put_table(out: &mut Vec<u8>, table: &TableEntry) {
    put_varint(out, table.id.0.into());
    put_bytes(out, table.dataset.as_bytes());
    put_bytes(out, table.name.as_bytes());
    out.push(TableKind::ALL.iter().position(|kind| *kind == table.kind).map_or(0, |code| code as u8));
    let contigs: Vec<&Contig> = table.contigs.iter().collect();
    put_list(out, &contigs, |out, contig| {
        put_bytes(out, contig.name.as_bytes());
        put_option(out, contig.length.as_ref(), |out, length| put_varint(out, *length));
        put_option(out, contig.md5.as_ref(), |out, md5| put_bytes(out, md5.as_bytes()));
    });
    let tags = table.tags.iter().flat_map(|(key, kinds)| kinds.iter().map(|kind| (*key, *kind)));
    let tags: Vec<(TagKey, TagType)> = tags.collect();
    put_list(out, &tags, |out, (key, kind)| {
        put_tag_column(out, TagColumn { key: *key, kind: *kind, occurrence: 0 });
    });
    put_list(out, &table.sources, put_source);
    if table.kind == TableKind::Rows {
        put_schema(out, &table.schema);
    }
}

fn read_table(cursor: &mut Cursor<'_>) -> Result<TableEntry, LayoutError> {
    let id = TableId(cursor.number(u32::MAX)?);
    let (dataset, name) = (read_text(cursor)?, read_text(cursor)?);
    let kind = usize::from(cursor.u8()?);
    let kind =
        TableKind::ALL.get(kind).copied().ok_or_else(|| cursor.corrupt("a kind of table is unknown"))?;
    let contigs = read_list(cursor, |cursor| {
        Ok(Contig {
            name: cursor.text()?.into(),
            length: read_option(cursor, |cursor| cursor.varint())?,
            md5: read_option(cursor, |cursor| Ok(cursor.text()?.into()))?,
        })
    })?;
    let contigs = Contigs::new(contigs).map_err(|_| cursor.corrupt("a contig stands twice"))?;
    let mut table = TableEntry { contigs, ..TableEntry::new(id, &dataset, &name, kind) };
    let tags = read_list(cursor, |cursor| tag_column(cursor).map(|column| (column.key, column.kind)))?;
    table.merge_tags(tags);
    table.sources = read_list(cursor, read_source)?;
    if table.kind == TableKind::Rows {
        table.schema = read_schema(cursor)?;
    }
    Ok(table)
}

fn put_source(out: &mut Vec<u8>, source: &SourceSummary) {
    put_varint(out, source.id.0.into());
    put_bytes(out, source.name.as_bytes());
    put_bytes(out, source.format.as_bytes());
    for number in [source.records, source.bytes, source.loaded_at_ms] {
        put_varint(out, number);
    }
    out.extend_from_slice(&source.checksum.to_le_bytes());
    put_varint(out, source.index_root_bytes.into());
    put_varint(out, source.entry_bytes.into());
    put_list(out, &source.samples, |out, sample| put_bytes(out, sample.as_bytes()));
    put_list(out, &source.read_groups, |out, group| {
        put_bytes(out, group.id.as_bytes());
        put_option(out, group.sample.as_ref(), |out, sample| put_bytes(out, sample.as_bytes()));
    });
}

fn read_source(cursor: &mut Cursor<'_>) -> Result<SourceSummary, LayoutError> {
    Ok(SourceSummary {
        id: SourceId(cursor.number(u32::MAX)?),
        name: read_text(cursor)?,
        format: read_text(cursor)?,
        records: cursor.number(1 << 48)?,
        bytes: cursor.number(1 << 60)?,
        loaded_at_ms: cursor.varint()?,
        checksum: u128::from_le_bytes(cursor.array()?),
        index_root_bytes: cursor.number(u32::MAX)?,
        entry_bytes: cursor.number(u32::MAX)?,
        samples: read_list(cursor, |cursor| read_text(cursor))?,
        read_groups: read_list(cursor, |cursor| {
            Ok(ReadGroupEntry {
                id: read_text(cursor)?,
                sample: read_option(cursor, |cursor| read_text(cursor))?,
            })
        })?,
    })
}

fn put_list<T>(out: &mut Vec<u8>, items: &[T], mut put: impl FnMut(&mut Vec<u8>, &T)) {
    put_varint(out, items.len() as u64);
    items.iter().for_each(|item| put(out, item));
}

/// Reads a list, each item of which takes a byte at least.
fn read_list<'a, T>(
    cursor: &mut Cursor<'a>,
    mut read: impl FnMut(&mut Cursor<'a>) -> Result<T, LayoutError>,
) -> Result<Vec<T>, LayoutError> {
    let count = cursor.count(1)?;
    (0..count).map(|_| read(cursor)).collect()
}

fn put_option<T>(out: &mut Vec<u8>, item: Option<&T>, put: impl FnOnce(&mut Vec<u8>, &T)) {
    out.push(u8::from(item.is_some()));
    if let Some(item) = item {
        put(out, item);
    }
}

fn read_option<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, LayoutError>,
) -> Result<Option<T>, LayoutError> {
    match cursor.u8()? {
        0 => Ok(None),
        1 => read(cursor).map(Some),
        _ => Err(cursor.corrupt("a choice is neither 0 nor 1")),
    }
}

fn read_text(cursor: &mut Cursor<'_>) -> Result<String, LayoutError> {
    cursor.text().map(str::to_owned)
}
