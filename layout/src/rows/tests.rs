//! Rows come back as they were, whatever their types; damaged bytes give errors.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Decimal128Array, Decimal256Array, DictionaryArray,
    FixedSizeBinaryArray, FixedSizeListArray, Float64Array, Int8Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, LargeStringArray, ListArray, MapArray, NullArray, RecordBatch, RunArray,
    StringArray, StringViewArray, StructArray, TimestampMicrosecondArray, UnionArray,
    builder::{Int64Builder, ListViewBuilder, MapBuilder, StringBuilder},
    make_array,
    types::{Int8Type, Int32Type},
};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_schema::{DataType, Field, Fields, Schema, TimeUnit, UnionFields};
use proptest::prelude::*;

use super::*;
use crate::{
    LayoutError,
    cursor::Cursor,
    key::{Key, SourceId, TableId},
};

fn round_trip(batch: &RecordBatch) -> RecordBatch {
    let chunk = encode_chunk(batch).unwrap();
    let mut reader = ChunkReader::new(&chunk.entry);
    (0..).zip(&chunk.pieces).for_each(|(number, piece)| reader.insert(number, piece.clone()));
    let columns = batch.schema_ref().fields().iter().enumerate().map(|(index, field)| {
        // Only the pieces that the index names for a column are needed for it.
        let mut alone = ChunkReader::new(&chunk.entry);
        for number in chunk.entry.pieces([index]) {
            alone.insert(number, chunk.pieces[usize::from(number)].clone());
        }
        let column = reader.column(index, field).unwrap();
        assert_eq!(&alone.column(index, field).unwrap(), &column);
        column
    });
    let columns = columns.collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(batch.schema(), columns, &options).unwrap()
}

fn list(values: ArrayRef, lengths: &[usize], nulls: Option<NullBuffer>) -> ArrayRef {
    let field = Arc::new(Field::new("element", values.data_type().clone(), true));
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths.iter().copied()), values, nulls))
}

/// Six rows of many types, some within others.
fn columns() -> Vec<(&'static str, ArrayRef)> {
    let texts = || StringArray::from(vec![Some("a"), None, Some(""), Some("é"), Some("a"), Some("zz")]);
    let nulls = Some(NullBuffer::new(BooleanBuffer::from(vec![true, false, true, true, false, true])));
    let keys = Int8Array::from(vec![Some(2), None, Some(0), Some(2), Some(1), Some(1)]);
    let dictionary: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys, Arc::new(texts())));
    let fields: Fields = vec![
        Field::new("d", dictionary.data_type().clone(), true),
        Field::new("t", DataType::Utf8, true).with_metadata(HashMap::from([("k".into(), "v".into())])),
    ]
    .into();
    let structs: ArrayRef =
        Arc::new(StructArray::new(fields, vec![Arc::clone(&dictionary), Arc::new(texts())], nulls.clone()));
    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    let mut views = ListViewBuilder::new(Int64Builder::new());
    for row in 0..6_i64 {
        (0..row % 3).for_each(|n| {
            maps.keys().append_value(format!("k{n}"));
            maps.values().append_option((n != 1).then_some(n));
            views.values().append_value(n * row);
        });
        maps.append(row != 4).unwrap();
        views.append(row != 2);
    }
    let maps: MapArray = maps.finish();
    let ends = Int32Array::from(vec![1, 4, 6]);
    let runs = RunArray::<Int32Type>::try_new(&ends, &StringArray::from(vec![Some("x"), None, Some("y")]));
    let unions = |dense: bool| -> ArrayRef {
        let ids = ScalarBuffer::from(vec![0_i8, 5, 0, 5, 5, 0]);
        let offsets = dense.then(|| ScalarBuffer::from(vec![0_i32, 0, 1, 1, 2, 2]));
        let length = if dense { 3 } else { 6 };
        let fields = [Field::new("i", DataType::Int64, true), Field::new("t", DataType::Utf8, true)];
        let children: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(0..length)),
            texts().slice(0, length as usize).into_data_ref(),
        ];
        Arc::new(
            UnionArray::try_new(UnionFields::try_new([0, 5], fields).unwrap(), ids, offsets, children)
                .unwrap(),
        )
    };
    let item = Arc::new(Field::new("item", DataType::Float64, true));
    let pairs = Float64Array::from_iter((0..12).map(|n| (n % 5 != 0).then_some(f64::from(n) / 3.0)));
    vec![
        ("null", Arc::new(NullArray::new(6))),
        (
            "boolean",
            Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), Some(true), None, Some(true)])),
        ),
        ("int", Arc::new(Int64Array::from(vec![i64::MIN, -1, 0, 1, 2, i64::MAX]))),
        ("float", Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, -0.0, 0.1, 1e300, 2.5]))),
        ("text", Arc::new(texts())),
        ("large", Arc::new(LargeStringArray::from(vec!["ein", "zwei", "", "vier", "5", "6"]))),
        (
            "view",
            Arc::new(StringViewArray::from(vec![
                "short",
                "a text of more than twelve bytes",
                "",
                "x",
                "another long text here",
                "y",
            ])),
        ),
        (
            "binary",
            Arc::new(BinaryArray::from_opt_vec(vec![
                Some(b"\xff\0"),
                None,
                Some(b""),
                Some(b"1"),
                Some(b"2"),
                None,
            ])),
        ),
        ("fixed", Arc::new(FixedSizeBinaryArray::try_from_iter((0..6_u8).map(|n| [n; 3])).unwrap())),
        (
            "decimal",
            Arc::new(
                Decimal128Array::from(vec![1_i128 << 100, -7, 0, 1, 2, 3])
                    .with_precision_and_scale(38, 10)
                    .unwrap(),
            ),
        ),
        (
            "wide",
            Arc::new(
                Decimal256Array::from_iter_values((0..6).map(|n| i256::from_i128(n) << 130))
                    .with_precision_and_scale(76, -3)
                    .unwrap(),
            ),
        ),
        (
            "when",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    Some(0),
                    None,
                    Some(-1),
                    Some(i64::MAX),
                    Some(1),
                    Some(2),
                ])
                .with_timezone("Europe/Berlin"),
            ),
        ),
        ("interval", Arc::new(IntervalMonthDayNanoArray::from(vec![IntervalMonthDayNano::new(1, -2, 3); 6]))),
        ("dictionary", Arc::clone(&dictionary)),
        ("struct", Arc::clone(&structs)),
        ("list", list(structs.clone(), &[1, 0, 2, 0, 3, 0], nulls.clone())),
        ("lists", list(list(Arc::new(texts()), &[2, 0, 4], None), &[0, 1, 0, 2, 0, 0], None)),
        ("list_view", Arc::new(views.finish())),
        ("pair", Arc::new(FixedSizeListArray::new(item, 2, Arc::new(pairs), nulls))),
        ("map", Arc::new(maps)),
        ("runs", Arc::new(runs.unwrap())),
        ("sparse", unions(false)),
        ("dense", unions(true)),
    ]
}

trait IntoRef {
    fn into_data_ref(self) -> ArrayRef;
}

impl<T: Array> IntoRef for T {
    /// A new array of the same values: unions want their children whole.
    fn into_data_ref(self) -> ArrayRef {
        make_array(self.to_data())
    }
}

fn batch() -> RecordBatch {
    let (names, arrays): (Vec<_>, Vec<_>) = columns().into_iter().unzip();
    let field = |(name, array): (&&str, &ArrayRef)| {
        let field = Field::new(*name, array.data_type().clone(), array.is_nullable());
        field.with_dict_is_ordered(true).with_metadata(HashMap::from([("unit".into(), (*name).into())]))
    };
    let fields: Vec<Field> = names.iter().zip(&arrays).map(field).collect();
    let schema = Schema::new(fields).with_metadata(HashMap::from([("pandas".into(), "{}".into())]));
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

#[test]
fn every_type_comes_back() {
    let batch = batch();
    assert_eq!(round_trip(&batch), batch);
    for start in 0..=6 {
        for length in 0..=6 - start {
            let slice = batch.slice(start, length);
            assert_eq!(round_trip(&slice), slice, "{start} + {length}");
        }
    }
    let nothing = RecordBatch::new_empty(batch.schema());
    assert_eq!(round_trip(&nothing), nothing);
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(7));
    let no_columns = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), vec![], &options).unwrap();
    assert_eq!(round_trip(&no_columns), no_columns);
}

#[test]
fn a_schema_comes_back() {
    let schema = batch().schema();
    check_schema(&schema).unwrap();
    let mut bytes = Vec::new();
    put_schema(&mut bytes, &schema);
    let read = read_schema(&mut Cursor::new("schema", &bytes)).unwrap();
    assert_eq!(read, schema);
    // Equality of fields leaves this out.
    let ordered = |schema: &Schema| schema.field_with_name("dictionary").unwrap().dict_is_ordered();
    assert_eq!(ordered(&read), Some(true));
}

#[test]
fn what_cannot_be_a_column_is_refused() {
    let check = |data_type: DataType, expected: &str| {
        let fields = vec![Field::new("fine", DataType::Int8, true), Field::new("x", data_type, true)];
        assert_eq!(check_schema(&Schema::new(fields)).unwrap_err().to_string(), expected);
    };
    let refused = |reason| format!("column `x` cannot be stored: {reason}");
    let mut deep = DataType::Int8;
    for _ in 0..40 {
        deep = DataType::List(Arc::new(Field::new("item", deep, true)));
    }
    check(deep, &refused("its type is nested more than 32 deep"));
    check(DataType::FixedSizeBinary(-1), &refused("a fixed size is negative or too large"));
    check(DataType::Time32(TimeUnit::Nanosecond), &refused("a time of 32 bits has seconds or milliseconds"));
    check(
        DataType::Decimal128(39, 0),
        &refused("a decimal has another precision or scale than its width allows"),
    );
    let keys = DataType::Dictionary(Box::new(DataType::Utf8), Box::new(DataType::Utf8));
    check(keys, &refused("the keys of a dictionary are integers"));
    let twice =
        Schema::new(vec![Field::new("a", DataType::Int8, true), Field::new("a", DataType::Utf8, true)]);
    assert_eq!(
        check_schema(&twice).unwrap_err().to_string(),
        "column `a` cannot be stored: another column has the same name"
    );
}

/// A slice of a large array takes what its own rows take.
#[test]
fn a_slice_is_small() {
    let text = |n: usize| format!("the text of row {n} is longer than a view holds");
    let many = 40_000;
    let values = StringArray::from_iter_values((0..many).map(text));
    let views = StringViewArray::from_iter_values((0..many).map(text));
    let keys = Int32Array::from_iter_values(0..many as i32);
    let dictionary = DictionaryArray::<Int32Type>::new(keys, Arc::new(values.clone()));
    let within: ArrayRef = list(Arc::new(views.clone()), &vec![1; many], None);
    for array in [Arc::new(values) as ArrayRef, Arc::new(views), Arc::new(dictionary), within] {
        let field = Field::new("x", array.data_type().clone(), true);
        let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
        let slice = batch.slice(30_000, 10);
        assert_eq!(round_trip(&slice), slice);
        let bytes = encode_chunk(&slice).unwrap().entry.bytes();
        assert!(bytes < 400, "{bytes} bytes for {}", batch.schema().field(0).data_type());
    }
}

#[test]
fn too_many_rows_are_refused() {
    let array: ArrayRef = Arc::new(NullArray::new(CHUNK_ROWS_MAX + 1));
    let schema = Schema::new(vec![Field::new("x", DataType::Null, true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![array]).unwrap();
    assert!(matches!(encode_chunk(&batch), Err(LayoutError::RecordTooLarge { .. })));
    assert_eq!(round_trip(&batch.slice(1, CHUNK_ROWS_MAX)).num_rows(), CHUNK_ROWS_MAX);
}

#[test]
fn a_null_where_none_may_be_is_damage() {
    let array: ArrayRef = Arc::new(Int8Array::from(vec![Some(1), None]));
    let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::Int8, true)]));
    let chunk = encode_chunk(&RecordBatch::try_new(schema, vec![array]).unwrap()).unwrap();
    let mut reader = ChunkReader::new(&chunk.entry);
    reader.insert(0, chunk.pieces[0].clone());
    let error = reader.column(0, &Field::new("x", DataType::Int8, false)).unwrap_err();
    assert_eq!(error.to_string(), "column `x` is corrupt: it has a NULL, and its column has none");
}

#[test]
fn an_index_comes_back_and_names_pieces() {
    let pages = vec![10, 70_000, 0, 200_000];
    let index = ChunkIndex {
        chunks: vec![ChunkEntry { rows: 9, pages }, ChunkEntry { rows: 1 << 16, pages: vec![1, 2, 3, 4] }],
    };
    assert_eq!(ChunkIndex::from_bytes(&index.to_bytes()).unwrap(), index);
    assert_eq!(ChunkIndex::from_bytes(&ChunkIndex::default().to_bytes()).unwrap(), ChunkIndex::default());
    assert_eq!(index.rows(), 65_545);
    let entry = &index.chunks[0];
    assert_eq!((entry.pieces([0]), entry.pieces([1]), entry.pieces([2])), (vec![0], vec![0, 1], vec![]));
    assert_eq!(entry.pieces([3]), [1, 2, 3, 4]);
    assert_eq!(entry.piece_bytes(0..4), entry.bytes());
    assert_eq!(entry.pieces([17]), Vec::<u16>::new());
    let key = ChunkEntry::key(TableId(1), SourceId(2), 3, 4);
    assert!(Key::Chunk(key).to_bytes().starts_with(&key.prefix()));
}

proptest! {
    #[test]
    fn numbers_and_texts_come_back(
        rows in prop::collection::vec((any::<Option<i64>>(), any::<Option<String>>(), any::<Vec<Option<f64>>>()), 0..200),
        cut in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.0)));
        let texts: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.1.as_deref())));
        let views: ArrayRef = Arc::new(StringViewArray::from_iter(rows.iter().map(|row| row.1.as_deref())));
        let keys: ArrayRef = Arc::new(rows.iter().map(|row| row.1.as_deref()).collect::<DictionaryArray<Int32Type>>());
        let items: ArrayRef = Arc::new(Float64Array::from_iter(rows.iter().flat_map(|row| row.2.iter().copied())));
        let lists = list(items, &rows.iter().map(|row| row.2.len()).collect::<Vec<_>>(), None);
        let arrays = [("n", numbers), ("t", texts), ("v", views), ("k", keys), ("l", lists)];
        let batch = RecordBatch::try_from_iter_with_nullable(arrays.map(|(name, array)| (name, array, true))).unwrap();
        prop_assert_eq!(round_trip(&batch), batch.clone());
        if !rows.is_empty() {
            let start = cut.0.index(rows.len());
            let slice = batch.slice(start, cut.1.index(rows.len() - start + 1));
            prop_assert_eq!(round_trip(&slice), slice);
        }
    }

    /// Beneath checksum and compression, where only a mistake of the writer gets.
    #[test]
    fn changed_values_are_safe(
        column in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let columns = columns();
        let (_, array) = &columns[column.index(columns.len())];
        let mut bytes = Vec::new();
        array::encode(array, &mut bytes).unwrap();
        flips.iter().filter(|_| !bytes.is_empty()).collect::<Vec<_>>().iter().for_each(|(place, flip)| {
            *place.get_mut(&mut bytes) ^= flip;
        });
        if let Ok(read) = array::decode(Cursor::new("page", &bytes), array.data_type(), 6) {
            prop_assert_eq!(read.len(), 6);
            // Whatever it says now, it can be looked at.
            let _text = format!("{read:?}");
        }
        if !bytes.is_empty() {
            let short = &bytes[..cut.index(bytes.len())];
            prop_assert!(array::decode(Cursor::new("page", short), array.data_type(), 6).is_err());
        }
    }

    #[test]
    fn damage_gives_an_error(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        mend in any::<bool>(),
    ) {
        let batch = batch();
        let index = ChunkIndex { chunks: vec![encode_chunk(&batch).unwrap().entry; 3] };
        let whole = index.to_bytes();
        let mut bytes = whole.clone();
        flips.iter().for_each(|(place, flip)| *place.get_mut(&mut bytes) ^= flip);
        if mend {
            crate::envelope::mend(&mut bytes);
        }
        let read = ChunkIndex::from_bytes(&bytes);
        prop_assert!(mend || bytes == whole || read.is_err());
        let mut schema = Vec::new();
        put_schema(&mut schema, &batch.schema());
        flips.iter().for_each(|(place, flip)| *place.get_mut(&mut schema) ^= flip);
        if let Ok(read) = read_schema(&mut Cursor::new("schema", &schema)) {
            // A changed schema is one that could be written, but for the names.
            let mut again = Vec::new();
            put_schema(&mut again, &read);
            prop_assert_eq!(read_schema(&mut Cursor::new("schema", &again)).unwrap(), read);
        }
        let chunk = encode_chunk(&batch).unwrap();
        let mut pieces: Vec<Vec<u8>> = chunk.pieces.iter().map(|piece| piece.to_vec()).collect();
        flips.iter().for_each(|(place, flip)| *place.get_mut(&mut pieces[0]) ^= flip);
        let mut reader = ChunkReader::new(&chunk.entry);
        let changed = pieces[0] != chunk.pieces[0];
        (0..).zip(pieces).for_each(|(number, piece)| reader.insert(number, piece.into()));
        let schema = batch.schema();
        let columns = schema.fields().iter().enumerate().map(|(index, field)| reader.column(index, field));
        prop_assert_eq!(columns.filter(Result::is_err).count() > 0, changed);
    }
}
