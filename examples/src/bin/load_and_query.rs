//! GenomDB inside a program of yours: open a folder, load a BAM, ask for a region, read Arrow batches.
//!
//! Run it from the root of the repository: `cargo run --bin load_and_query`.

use std::{error::Error, path::PathBuf, sync::Arc};

use arrow::util::pretty::pretty_format_batches;
use futures::TryStreamExt;
use genomdb_server::{
    Answer, CancelToken, Config, LoadRequest, Node, Observer, Principal, Silent, Statement,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("genomdb-example-{}", std::process::id()));
    let node = Node::open(&folder, &Config::default())?;

    // A load is all or nothing; an observer would hear how far it is, a token can stop it.
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let request = LoadRequest {
        path: Some(PathBuf::from("examples/data/NA12878.chr11_chr20.bam")),
        table: "reads".to_owned(),
        ..LoadRequest::default()
    };
    let report = node.load(&request, &observer, &CancelToken::new()).await?;
    eprintln!("{} records", report.records);

    // Settings that its statements change are those of the session.
    let session = node.session(Principal::local());

    // Rows come as a stream of record batches; dropping the stream stops the query.
    let query = Statement::parse(
        "SELECT chrom, count(*) AS reads, avg(mapq) AS mean_mapq FROM reads \
         WHERE interval INTERSECTS ANY('11:5,012,000-5,013,000', '20:6,031,000-6,032,000') \
         GROUP BY chrom ORDER BY chrom",
    )?;
    if let Answer::Rows(rows) = node.query(&session, &query, &observer).await? {
        let batches: Vec<_> = rows.try_collect().await?;
        eprintln!("{}", pretty_format_batches(&batches)?);
    }
    node.close().await?;
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
