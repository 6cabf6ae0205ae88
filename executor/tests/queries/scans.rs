//! What a scan reads, in which order, and what it says of it.

use datafusion::{
    common::{ParamValues, ScalarValue},
    physical_plan::displayable,
};
use futures::StreamExt;
use genomdb_layout::key::{Key, TableId};
use genomdb_storage::{KeyRange, ScanLimit, WriteBatch};

use crate::store::Store;

#[tokio::test]
async fn rows_come_in_order_of_the_genome() {
    for sources in [1, 3] {
        let store = Store::random(7, sources, 300, 11);
        let rows = store.rows("SELECT qname FROM reads", true).await.unwrap();
        let expected: Vec<_> = store.in_order().into_iter().map(|read| read.name.clone()).collect();
        assert_eq!(rows, expected);
        let rows = store
            .rows("SELECT upper(qname) FROM reads WHERE length(qname) > 1 LIMIT 40 OFFSET 13", true)
            .await;
        let expected: Vec<_> = expected.iter().map(|name| name.to_uppercase()).collect();
        assert_eq!(rows.unwrap(), expected[13..53]);
    }
}

#[tokio::test]
async fn counting_reads_no_block() {
    let store = Store::random(3, 2, 100, 10);
    assert_eq!(store.rows("SELECT count(*) FROM reads", true).await.unwrap(), ["200"]);
    let plan = store.explain("SELECT count(*) FROM reads", false).await;
    assert!(!plan.contains("AlignmentScanExec"), "{plan}");
}

#[tokio::test]
async fn explain_shows_what_is_read() {
    let store = Store::random(3, 1, 600, 10);
    let text = "SELECT qname, mapq FROM reads WHERE interval INTERSECTS 'chr1:100-150'";
    let plan = store.explain(text, false).await;
    assert!(plan.contains("regions=[chr1:[99,150)]"), "{plan}");
    assert!(plan.contains("columns=[qname, chrom, start, end, mapq]"), "{plan}");
    let text = "SELECT tags['NM'] FROM reads WHERE tags['NM'] > 2";
    let plan = store.explain(text, false).await;
    assert!(plan.contains("columns=[tags[NM]]"), "{plan}");
    let text = "SELECT avg(tags['NM']) FROM reads WHERE flags_none(flag, 4)";
    let plan = store.explain(text, false).await;
    assert!(plan.contains("columns=[flag, tags[NM]]"), "{plan}");
}

#[tokio::test]
async fn a_prepared_query_takes_its_region_later() {
    let store = Store::random(5, 2, 200, 10);
    let prepared = store.prepare("SELECT qname FROM reads WHERE interval INTERSECTS $1", true).unwrap();
    for region in ["chr1:100-300", "chr2", "*"] {
        let parameters = ParamValues::from(vec![ScalarValue::from(region)]);
        let running = store.executor.run(&prepared, Some(parameters.clone())).await.unwrap();
        let plan = displayable(running.plan.as_ref()).indent(false).to_string();
        assert!(plan.contains("regions=["), "the index is asked for the region: {plan}");
        let rows = store.run(&prepared, Some(parameters)).await.unwrap();
        let text = format!("SELECT qname FROM reads WHERE interval INTERSECTS '{region}'");
        assert_eq!(rows, store.rows(&text, false).await.unwrap());
        assert!(!rows.is_empty());
    }
}

#[tokio::test]
async fn an_unknown_contig_is_an_error() {
    let store = Store::random(5, 1, 50, 10);
    for (region, guess) in [("1:5-10", "chr1"), ("chr3", "chr1"), ("Chr2:1-5", "chr2")] {
        let text = format!("SELECT qname FROM reads WHERE interval INTERSECTS '{region}'");
        let error = store.rows(&text, true).await.unwrap_err().to_string();
        assert!(error.contains("unknown contig") && error.contains(guess), "{error}");
    }
    let error = store.rows("SELECT qname FROM raeds", true).await.unwrap_err().to_string();
    assert!(error.contains("did you mean `reads`"), "{error}");
}

#[tokio::test]
async fn dropping_the_stream_ends_the_query() {
    let store = Store::random(9, 1, 2000, 5);
    let prepared = store.prepare("SELECT * FROM reads", true).unwrap();
    let mut running = store.executor.run(&prepared, None).await.unwrap();
    assert!(running.stream.next().await.unwrap().is_ok());
    drop(running.stream);
    // Whatever was read ahead is done once the store can be closed; nothing reads a closed store.
    store.storage.close().await.unwrap();
    let read = running.plan.metrics().unwrap().sum_by_name("blocks_read").unwrap().as_usize();
    assert!(read < 200, "{read} blocks of 400 were read");
}

#[tokio::test]
async fn a_damaged_page_is_named_by_its_key() {
    let store = Store::random(11, 1, 60, 10);
    let page = store.storage.scan_blocking(&KeyRange::all(), ScanLimit::default()).unwrap();
    let is_block =
        |key: &[u8]| matches!(Key::from_bytes(key), Ok(Key::Block(block)) if block.table == TableId(1));
    let (key, value) = page.entries.into_iter().find(|(key, _)| is_block(key)).unwrap();
    let mut damaged = value.to_vec();
    damaged.iter_mut().for_each(|byte| *byte ^= 0x55);
    let mut batch = WriteBatch::new();
    batch.put(key.clone(), damaged);
    store.storage.write_blocking(batch).unwrap();
    let error = store.rows("SELECT flag, start FROM reads", true).await.unwrap_err().to_string();
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(error.contains(&hex), "{error}");
}
