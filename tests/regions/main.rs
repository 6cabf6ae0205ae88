//! Regions of real files: what a query finds is what `samtools view` finds, read by read, in the same order.
//!
//! Runs over the example of this repository, and over the shared corpus (`$GENOMDB_CORPUS`, or `../shared/data`
//! beside the repository) where that is present. Without samtools it says that it was skipped.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
#![expect(clippy::print_stdout, reason = "what was skipped is said")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use genomdb_server::{
    Answer, CancelToken, Config, LoadRequest, Node, Observer, Principal, Silent, Statement,
};
use rand::{Rng, SeedableRng, rngs::StdRng};

const SEED: u64 = 20_261_120;
const REGIONS_PER_FILE: usize = 40;

/// Real alignments of the corpus that are sorted, so that samtools can index them.
const CORPUS: [&str; 4] = [
    "real/dm3_x.bam",
    "htsget-rs/data/bam/htsnexus_test_NA12878.bam",
    "htsjdk/cram/CEUTrio.HiSeq.WGS.b37.NA12878.20.first.8000.bam",
    "real/10X_RNA_chr1_3073253_4526737.bam",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn files() -> Vec<PathBuf> {
    let corpus =
        std::env::var_os("GENOMDB_CORPUS").map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let mut files = vec![root().join("examples/data/NA12878.chr11_chr20.bam")];
    files.extend(
        CORPUS.iter().map(|file| corpus.join(file)).filter(|file| file.try_exists().unwrap_or(false)),
    );
    println!("{} files; the corpus has {}", files.len(), CORPUS.len());
    files
}

/// Runs samtools and returns the lines that it prints.
fn samtools(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("samtools").args(arguments).output().unwrap();
    assert!(output.status.success(), "samtools {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Contigs with a read, with their first and last position.
fn spans(bam: &str) -> Vec<(String, u64, u64)> {
    let mut spans: Vec<(String, u64, u64)> = Vec::new();
    for line in samtools(&["view", bam]) {
        let fields: Vec<_> = line.split('\t').collect();
        let (contig, position) = (fields[2].to_owned(), fields[3].parse().unwrap());
        match spans.last_mut().filter(|span| span.0 == contig) {
            Some(span) => span.2 = position,
            None => spans.push((contig, position, position)),
        }
    }
    spans.retain(|span| span.0 != "*");
    spans
}

/// The fields that tell one record from another, as samtools prints them.
fn essence(line: &str) -> String {
    let fields: Vec<_> = line.split('\t').collect();
    [fields[0], fields[1], fields[3], fields[5], fields[8], fields[9], fields[10]].join("\t")
}

async fn rows(node: &Node, text: &str) -> Vec<String> {
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let session = node.session(Principal::local());
    let answer = node.query(&session, &Statement::parse(text).unwrap(), &observer).await;
    let Answer::Rows(stream) = answer.map_err(|error| error.render()).unwrap() else {
        panic!("no query: {text}")
    };
    let batches: Vec<_> = stream.try_collect().await.unwrap();
    let options = FormatOptions::default().with_null("*");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap());
        let columns: Vec<_> = columns.collect();
        let row =
            |row| columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("\t");
        rows.extend((0..batch.num_rows()).map(row));
    }
    rows
}

/// A region of a random size around the reads, now and then beyond them.
fn region(random: &mut StdRng, spans: &[(String, u64, u64)]) -> String {
    let (contig, first, last) = &spans[random.random_range(0..spans.len())];
    let start = random.random_range(first.saturating_sub(200).max(1)..=last + 200);
    let length = 1 << random.random_range(0..16);
    format!("{contig}:{start}-{}", start + length)
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_those_of_samtools() {
    if Command::new("samtools").arg("--version").output().is_err() {
        println!("skipped: samtools is not installed");
        return;
    }
    println!("seed {SEED}");
    let mut random = StdRng::seed_from_u64(SEED);
    let mut reads = 0;
    for file in files() {
        let folder = tempfile::tempdir().unwrap();
        let bam = folder.path().join("reads.bam");
        std::fs::copy(&file, &bam).unwrap();
        let bam = bam.to_str().unwrap();
        samtools(&["index", bam]);
        let node = Node::open(&folder.path().join("data"), &Config::default()).unwrap();
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        let request =
            LoadRequest { path: Some(file.clone()), table: "reads".to_owned(), ..LoadRequest::default() };
        node.load(&request, &observer, &CancelToken::new()).await.unwrap();
        let spans = spans(bam);
        for _ in 0..REGIONS_PER_FILE {
            let region = region(&mut random, &spans);
            let expected =
                samtools(&["view", bam, &region]).iter().map(|line| essence(line)).collect::<Vec<_>>();
            let text = format!(
                "SELECT qname, flag, pos, cigar, tlen, seq, qual FROM reads WHERE interval INTERSECTS '{region}'"
            );
            assert_eq!(rows(&node, &text).await, expected, "{}: {region}", file.display());
            reads += expected.len();
        }
        let unplaced = samtools(&["view", "-c", bam, "*"]).concat();
        assert_eq!(rows(&node, "SELECT count(*) FROM reads WHERE interval INTERSECTS '*'").await, [unplaced]);
        node.close().await.unwrap();
    }
    println!("{reads} reads compared");
    assert!(reads > 0, "a test that compares nothing shows nothing");
}
