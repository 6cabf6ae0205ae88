//! The schema that clients see: the one that is promised and the one that comes are both made here.
//!
//! Types that some client cannot read become what every client reads: views and dictionaries become their
//! values.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    error::ArrowError,
    ipc::writer::IpcWriteOptions,
};
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;
use tonic::Status;

/// Returns the schema that clients see of a result.
pub(super) fn of(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema.fields().iter().map(of_field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The same, where a column may hold NULL in one run and none in the next.
pub(super) fn of_any_run(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| of_field(field).as_ref().clone().with_nullable(true));
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn of_field(field: &FieldRef) -> FieldRef {
    let wanted = of_type(field.data_type());
    if wanted == *field.data_type() {
        return Arc::clone(field);
    }
    let plain = Field::new(field.name(), wanted, field.is_nullable());
    Arc::new(plain.with_metadata(field.metadata().clone()))
}

fn of_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, values) => of_type(values),
        DataType::RunEndEncoded(_, values) => of_type(values.data_type()),
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        DataType::List(item) | DataType::ListView(item) => DataType::List(of_field(item)),
        DataType::LargeList(item) | DataType::LargeListView(item) => DataType::LargeList(of_field(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(of_field(item), *size),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(of_field).collect()),
        DataType::Map(entries, sorted) => DataType::Map(of_field(entries), *sorted),
        other => other.clone(),
    }
}

/// Gives a batch the schema that clients see; columns that have it already are not copied.
pub(super) fn apply(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = batch.columns().iter().zip(schema.fields()).map(|(column, field)| {
        match column.data_type() == field.data_type() {
            true => Ok(Arc::clone(column)),
            false => cast_with_options(column, field.data_type(), &options),
        }
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// Writes a schema as Flight carries it.
pub(super) fn to_bytes(schema: &Schema) -> Result<Bytes, Status> {
    let message = IpcMessage::try_from(SchemaAsIpc::new(schema, &IpcWriteOptions::default()));
    match message {
        Ok(IpcMessage(bytes)) => Ok(bytes),
        Err(error) => Err(Status::internal(format!("the schema cannot be written: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Array as _, AsArray as _, DictionaryArray, StringArray, StringViewArray, StructArray,
    };
    use arrow::datatypes::{Fields, Int32Type};

    use super::*;

    #[test]
    fn what_some_clients_cannot_read_is_made_plain_at_every_depth() {
        let words: DictionaryArray<Int32Type> = ["a", "b", "a"].into_iter().collect();
        let views = StringViewArray::from(vec![Some("x"), None, Some("z")]);
        let inner = Field::new("word", words.data_type().clone(), false)
            .with_metadata([("unit".to_owned(), "bp".to_owned())].into());
        let fields = Fields::from(vec![inner]);
        let nested = StructArray::new(fields.clone(), vec![Arc::new(words.clone())], None);
        let schema = Schema::new(vec![
            Field::new("word", words.data_type().clone(), false),
            Field::new("view", DataType::Utf8View, true),
            Field::new("nested", DataType::Struct(fields), false),
        ]);
        let columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(words), Arc::new(views), Arc::new(nested)];
        let batch = RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap();
        let plain = apply(&of(&schema), &batch).unwrap();
        assert_eq!(plain.column(0).as_string::<i32>(), &StringArray::from(vec!["a", "b", "a"]));
        assert_eq!(plain.column(1).as_string::<i32>(), &StringArray::from(vec![Some("x"), None, Some("z")]));
        let inner = plain.column(2).as_struct();
        assert_eq!(inner.column(0).as_string::<i32>().value(1), "b");
        assert_eq!(inner.fields()[0].metadata().get("unit").unwrap(), "bp");
        assert!(of_any_run(&schema).fields().iter().all(|field| field.is_nullable()));
    }
}
