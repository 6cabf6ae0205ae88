//! Each format against a small batch with every kind of column.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, Int64Array, ListArray, RecordBatch, StringArray, StructArray},
    datatypes::{DataType, Field, Int64Type},
};
use expect_test::{Expect, expect};

use super::{Format, writer};

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(300)]));
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a\"b\\c"), Some("x,\ty"), None]));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(1), Some(2)]),
        None,
        Some(vec![]),
    ]));
    let tags: ArrayRef = Arc::new(StructArray::from(vec![(
        Arc::new(Field::new("NM", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![Some(3), None, Some(0)])) as ArrayRef,
    )]));
    RecordBatch::try_from_iter_with_nullable([
        ("n", numbers, true),
        ("text", texts, true),
        ("list", lists, true),
        ("tags", tags, true),
    ])
    .unwrap()
}

fn check(format: Format, batches: &[RecordBatch], expected: Expect) {
    let mut bytes = Vec::new();
    let mut writer = writer(format, batch().schema(), &mut bytes).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.finish().unwrap();
    expected.assert_eq(&String::from_utf8(bytes).unwrap());
}

#[test]
fn text_formats_show_every_row() {
    let batches = [batch()];
    check(
        Format::Csv,
        &batches,
        expect![[r#"
            n,text,list,tags
            1,"a""b\c","[1,2]","{""NM"":3}"
            ,"x,	y",,{}
            300,,[],"{""NM"":0}"
        "#]],
    );
    check(
        Format::Tsv,
        &batches,
        expect![[r#"
            n	text	list	tags
            1	a"b\c	[1,2]	{"NM":3}
            	x,\ty		{}
            300		[]	{"NM":0}
        "#]],
    );
    check(
        Format::Ndjson,
        &batches,
        expect![[r#"
            {"n":1,"text":"a\"b\\c","list":[1,2],"tags":{"NM":3}}
            {"n":null,"text":"x,\ty","list":null,"tags":{"NM":null}}
            {"n":300,"text":null,"list":[],"tags":{"NM":0}}
        "#]],
    );
}

#[test]
fn tables_align_and_count() {
    check(
        Format::Table,
        &[batch()],
        expect![[r#"
               n  text   list   tags
            ────  ─────  ─────  ────────
               1  a"b\c  [1,2]  {"NM":3}
            NULL  x,	y   NULL   {}
             300  NULL   []     {"NM":0}
            (3 rows)
        "#]],
    );
}

#[test]
fn an_empty_result_is_still_whole() {
    check(
        Format::Csv,
        &[],
        expect![[r#"
        n,text,list,tags
    "#]],
    );
    check(Format::Json, &[], expect![["[]"]]);
    check(
        Format::Table,
        &[],
        expect![[r#"
        n  text  list  tags
        ─  ────  ────  ────
        (0 rows)
    "#]],
    );
}

#[test]
fn binary_formats_read_back() {
    let mut bytes = Vec::new();
    let mut arrow = writer(Format::Arrow, batch().schema(), &mut bytes).unwrap();
    arrow.write(&batch()).unwrap();
    arrow.finish().unwrap();
    let mut reader = arrow::ipc::reader::StreamReader::try_new(bytes.as_slice(), None).unwrap();
    assert_eq!(reader.next().unwrap().unwrap(), batch());

    let mut bytes = Vec::new();
    let mut parquet = writer(Format::Parquet, batch().schema(), &mut bytes).unwrap();
    parquet.write(&batch()).unwrap();
    parquet.finish().unwrap();
    assert_eq!((bytes.get(..4), bytes.ends_with(b"PAR1")), (Some(b"PAR1".as_slice()), true));
}
