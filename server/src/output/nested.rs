//! Lists and structs as JSON text, for formats whose cells are text.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, StringBuilder},
    datatypes::{DataType, Field, Schema, SchemaRef},
    error::ArrowError,
    json::{LineDelimitedWriter, WriterBuilder, writer::LineDelimited},
};

/// Tells whether values of a type are lists or structs, which a text cell holds as JSON.
pub(super) fn is_nested(data_type: &DataType) -> bool {
    data_type.is_nested() && !matches!(data_type, DataType::Dictionary(_, _))
}

/// Returns the schema with text in the place of nested columns.
pub(super) fn flat_schema(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        if is_nested(field.data_type()) {
            Arc::new(Field::new(field.name(), DataType::Utf8, field.is_nullable()))
        } else {
            field.clone()
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns the batch with JSON text in the place of nested columns; a missing value stays missing.
pub(super) fn flatten(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = batch
        .columns()
        .iter()
        .map(|column| if is_nested(column.data_type()) { json_text(column) } else { Ok(column.clone()) });
    RecordBatch::try_new(schema.clone(), columns.collect::<Result<_, _>>()?)
}

/// Writes each value of a nested column as JSON; NULL fields of a struct are left out.
fn json_text(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    const NAME: &str = "v";
    let field = Field::new(NAME, column.data_type().clone(), true);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column.clone()])?;
    let mut lines = Vec::new();
    let mut writer: LineDelimitedWriter<_> = WriterBuilder::new().build::<_, LineDelimited>(&mut lines);
    writer.write(&batch)?;
    writer.finish()?;
    let mut texts = StringBuilder::with_capacity(column.len(), lines.len());
    for (row, line) in String::from_utf8_lossy(&lines).lines().enumerate() {
        let value = line.strip_prefix("{\"v\":").and_then(|line| line.strip_suffix('}'));
        texts.append_option(value.filter(|_| column.is_valid(row)));
    }
    Ok(Arc::new(texts.finish()))
}
