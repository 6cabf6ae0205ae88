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

#[test]
fn tables_of_other_kinds() {
    check(
        Format::Vertical,
        &[batch()],
        expect![[r#"
            ─[ row 1 ]──────────────────────────────
            n    │ 1
            text │ a"b\c
            list │ [1,2]
            tags │ {"NM":3}
            ─[ row 2 ]──────────────────────────────
            n    │ NULL
            text │ x,	y
            list │ NULL
            tags │ {}
            ─[ row 3 ]──────────────────────────────
            n    │ 300
            text │ NULL
            list │ []
            tags │ {"NM":0}
            (3 rows)
        "#]],
    );
    check(
        Format::Markdown,
        &[batch()],
        expect![[r#"
            | n | text | list | tags |
            | ---: | --- | --- | --- |
            | 1 | a"b\\c | \[1,2\] | {"NM":3} |
            | NULL | x,	y | NULL | {} |
            | 300 | NULL | \[\] | {"NM":0} |
        "#]],
    );
}

#[test]
fn sam_needs_alignments() {
    let refused = writer(Format::Sam, batch().schema(), Vec::new()).map(drop).unwrap_err();
    assert!(refused.to_string().ends_with("no `qname`"), "{refused}");
    assert!("vcf".parse::<Format>().unwrap_err().contains("variants"));
}

/// What a screen shows of `rows` rows with a number and a text of that length.
fn screen(rows: i64, text: usize, screen: super::Screen) -> String {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=rows));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values((1..=rows).map(|_| "x".repeat(text))));
    let more: ArrayRef = Arc::new(Int64Array::from_iter_values(1..=rows));
    let batch = RecordBatch::try_from_iter([("n", numbers), ("text", texts), ("more", more)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer: Box<dyn super::ResultWriter> =
        Box::new(super::ScreenWriter::new(&batch.schema(), &mut bytes, screen));
    writer.write(&batch).unwrap();
    writer.finish().unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_screen_shows_what_fits() {
    let small = super::Screen { rows_max: 3, width_max: 30, vertical_when_wide: false };
    expect![[r#"
        ┌────┬────────────────┬──────┐
        │  n │ text           │ more │
        ├────┼────────────────┼──────┤
        │  1 │ xxxxxxxxxxxxx… │    1 │
        │  2 │ xxxxxxxxxxxxx… │    2 │
        │  … │ …              │    … │
        │ 10 │ xxxxxxxxxxxxx… │   10 │
        └────┴────────────────┴──────┘
        … 10 rows, 3 shown; \pset maxrows 0 shows all
    "#]]
    .assert_eq(&screen(10, 40, small));
    let tiny = super::Screen { width_max: 16, ..small };
    expect![[r#"
        ┌───┬───┬──────┐
        │ n │ … │ more │
        ├───┼───┼──────┤
        │ 1 │ … │    1 │
        └───┴───┴──────┘
        (1 row)
    "#]]
    .assert_eq(&screen(1, 40, tiny));
    let vertical = super::Screen { vertical_when_wide: true, ..small };
    expect![[r#"
        ─[ row 1 ]──────────────────────────────
        n    │ 1
        text │ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        more │ 1
        ─[ row 2 ]──────────────────────────────
        n    │ 2
        text │ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        more │ 2
        …
        ─[ row 4 ]──────────────────────────────
        n    │ 4
        text │ xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
        more │ 4
        … 4 rows, 3 shown; \pset maxrows 0 shows all
    "#]]
    .assert_eq(&screen(4, 40, vertical));
}
