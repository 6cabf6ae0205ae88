//! The stored form of the columns of a table: names, types, what may be NULL, and the metadata.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow_schema::{Field, FieldRef, Fields, Schema, SchemaRef};

use super::types::{put_type, read_type};
use crate::{
    LayoutError,
    cursor::{Cursor, put_bytes, put_varint},
};

/// Columns of a table at most.
pub(crate) const COLUMNS_MAX: usize = 1 << 14;
/// Types within types at most: reading them is a recursion.
pub(super) const DEPTH_MAX: usize = 32;
/// Bytes of a stored schema at most: it is read with each version of the catalog.
const SCHEMA_BYTES_MAX: usize = 1 << 20;

const NULLABLE: u8 = 1;
const ORDERED: u8 = 2;

/// Tells whether a table can have these columns.
///
/// # Errors
///
/// If two columns have one name, a type is none that Arrow allows or is nested more than 32 deep, or the
/// description takes more than 1 MiB.
pub fn check_schema(schema: &Schema) -> Result<(), LayoutError> {
    let unusable =
        |column: &str, reason| Err(LayoutError::UnusableColumn { column: column.to_owned(), reason });
    let mut seen = std::collections::HashSet::new();
    let mut bytes = Vec::new();
    for field in schema.fields() {
        if !seen.insert(field.name()) {
            return unusable(field.name(), "another column has the same name");
        }
        let start = bytes.len();
        put_field(&mut bytes, field, 0);
        let mut cursor = Cursor::new("schema", bytes.get(start..).unwrap_or_default());
        match read_field(&mut cursor, 0) {
            Ok(read) if read == **field => {}
            Ok(_) => return unusable(field.name(), "its type would not come back the same"),
            Err(LayoutError::Corrupt { reason, .. }) => return unusable(field.name(), reason),
            Err(error) => return Err(error),
        }
    }
    let last = schema.fields().last().map_or("", |field| field.name());
    if schema.fields().len() > COLUMNS_MAX {
        return unusable(last, "there are too many columns");
    }
    put_metadata(&mut bytes, schema.metadata());
    if bytes.len() > SCHEMA_BYTES_MAX {
        return unusable(last, "names, types and metadata of all columns take more than 1 MiB");
    }
    Ok(())
}

/// Appends a schema that [`check_schema`] let pass.
pub(crate) fn put_schema(out: &mut Vec<u8>, schema: &Schema) {
    put_fields(out, schema.fields(), 0);
    put_metadata(out, schema.metadata());
}

/// Reads what [`put_schema`] wrote.
pub(crate) fn read_schema(cursor: &mut Cursor<'_>) -> Result<SchemaRef, LayoutError> {
    let fields = read_fields(cursor, 0)?;
    let metadata = read_metadata(cursor)?;
    Ok(Arc::new(Schema::new_with_metadata(fields, metadata)))
}

pub(super) fn put_fields(out: &mut Vec<u8>, fields: &Fields, depth: usize) {
    put_varint(out, fields.len() as u64);
    fields.iter().for_each(|field| put_field(out, field, depth));
}

pub(super) fn read_fields(cursor: &mut Cursor<'_>, depth: usize) -> Result<Vec<FieldRef>, LayoutError> {
    let count = cursor.count(4)?;
    (0..count).map(|_| read_field(cursor, depth).map(Arc::new)).collect()
}

pub(super) fn put_field(out: &mut Vec<u8>, field: &Field, depth: usize) {
    put_bytes(out, field.name().as_bytes());
    let ordered = field.dict_is_ordered() == Some(true);
    out.push((u8::from(field.is_nullable()) * NULLABLE) | (u8::from(ordered) * ORDERED));
    put_type(out, field.data_type(), depth);
    put_metadata(out, field.metadata());
}

pub(super) fn read_field(cursor: &mut Cursor<'_>, depth: usize) -> Result<Field, LayoutError> {
    let name = cursor.text()?.to_owned();
    let flags = cursor.u8()?;
    if flags > NULLABLE | ORDERED {
        return Err(cursor.corrupt("a column says what is unknown"));
    }
    let data_type = read_type(cursor, depth)?;
    let metadata = read_metadata(cursor)?;
    let field = Field::new(name, data_type, flags & NULLABLE != 0);
    Ok(field.with_dict_is_ordered(flags & ORDERED != 0).with_metadata(metadata))
}

/// Sorted: the same columns are the same bytes.
fn put_metadata(out: &mut Vec<u8>, metadata: &HashMap<String, String>) {
    let sorted: BTreeMap<_, _> = metadata.iter().collect();
    put_varint(out, sorted.len() as u64);
    for (key, value) in sorted {
        put_bytes(out, key.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

fn read_metadata(cursor: &mut Cursor<'_>) -> Result<HashMap<String, String>, LayoutError> {
    let count = cursor.count(2)?;
    let mut metadata = HashMap::new();
    for _ in 0..count {
        metadata.insert(cursor.text()?.to_owned(), cursor.text()?.to_owned());
    }
    Ok(metadata)
}
