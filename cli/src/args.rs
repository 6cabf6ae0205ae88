//! What can be typed after `genomdb` and `gql`; types for clap, nothing else.

pub mod cluster;
pub mod kv;
mod node_address;
mod parameter;
pub mod serve;
pub mod token;

use std::{path::PathBuf, time::Duration};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use genomdb_server::output::Format;

pub use node_address::node_address;
pub use parameter::{Parameter, parse_duration};

use crate::connection::Reach;

/// Loads genomic files once, and asks them questions in GQL (SQL plus genomics).
#[derive(Debug, Parser)]
#[command(name = "genomdb", version, propagate_version = true, after_help = GENOMDB_EXAMPLES)]
pub struct Genomdb {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const GENOMDB_EXAMPLES: &str = "\
Examples:
  genomdb load NA12878.bam                        into the table `reads` of ./genomdb-data
  samtools view -u x.cram | genomdb load - --name x
  genomdb query \"SELECT count(*) FROM reads WHERE interval INTERSECTS 'chr20:1,000,000-2,000,000'\"
  genomdb query --format tsv 'SELECT chrom, count(*) FROM reads GROUP BY 1' | head
  gql                                             a prompt on the same folder
  genomdb serve --data genomdb-data               makes the folder a cluster that other nodes can join
  genomdb query --connect 127.0.0.1:7400 'SHOW TABLES'";

/// The commands of `genomdb`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Loads SAM, BAM or CRAM files (recognised by content) into a table.
    #[command(after_help = LOAD_EXAMPLES)]
    Load(Load),
    /// Runs GQL statements and prints what they return.
    #[command(after_help = QUERY_EXAMPLES)]
    Query(Query),
    /// Runs a node of a cluster on a data folder.
    #[command(after_help = serve::EXAMPLES)]
    Serve(serve::Serve),
    /// Reads and changes what is kept under keys beside the tables.
    #[command(after_help = kv::EXAMPLES)]
    Kv(kv::Kv),
    /// Shows and changes how a cluster stands.
    #[command(after_help = cluster::EXAMPLES)]
    Cluster(cluster::Cluster),
    /// Makes, shows and revokes tokens: who may ask a server that wants to know.
    #[command(after_help = token::EXAMPLES)]
    Token(token::Token),
}

const LOAD_EXAMPLES: &str = "\
Examples:
  genomdb load *.bam --into wgs
  genomdb load tumour.cram --reference GRCh38.fa
  zcat reads.sam.gz | genomdb load - --name reads.sam
  genomdb load --connect node1:7400,node2:7400 *.bam

Each file becomes one source of the table and appears at once or not at all.
Unsorted input is sorted on the way in.";

const QUERY_EXAMPLES: &str = "\
Examples:
  genomdb query 'SHOW TABLES'
  genomdb query \"SELECT qname, pos, cigar FROM reads WHERE interval INTERSECTS 'chr1:10,000-20,000'\"
  genomdb query --format parquet 'SELECT * FROM reads' > reads.parquet
  genomdb query --host http://127.0.0.1:7480 'SHOW TABLES'
  genomdb query \"EXPLAIN SELECT pos, mapq FROM reads WHERE interval INTERSECTS 'chr1:1-1000'\"

Exit codes: 0 done, 1 the query failed, 2 wrong usage, 3 the data folder cannot be opened or the cluster
or server does not answer, 130 interrupted.";

/// Where the data lies.
#[derive(Args, Clone, Debug)]
pub struct Data {
    /// The data folder; created by the first load.
    #[arg(long, value_name = "DIR", env = "GENOMDB_DATA", default_value = "./genomdb-data", global = true)]
    pub data: PathBuf,
    /// Nodes of a cluster, any of them, instead of a data folder.
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "GENOMDB_CONNECT",
        value_delimiter = ',',
        value_parser = node_address,
        global = true
    )]
    pub connect: Vec<String>,
}

/// `genomdb load`.
#[derive(Args, Debug)]
pub struct Load {
    /// SAM, BAM or CRAM files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The table, created if it does not exist.
    #[arg(long, value_name = "TABLE", default_value = "reads")]
    pub into: String,
    /// The reference sequences (FASTA) of a CRAM that does not carry its own.
    #[arg(long, short = 'T', value_name = "FASTA")]
    pub reference: Option<PathBuf>,
    /// The name of the source, instead of the file's; with one file only.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The sample of every read, whatever its read group says.
    #[arg(long, value_name = "SAMPLE")]
    pub sample: Option<String>,
    /// Load even if the table holds the same content already.
    #[arg(long)]
    pub force: bool,
    /// Threads that read and encode; all processors by default.
    #[arg(long, short = '@', value_name = "N")]
    pub threads: Option<usize>,
    /// Say nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
    /// The data folder.
    #[command(flatten)]
    pub data: Data,
}

/// The formats by their names.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.map(|format| PossibleValue::new(format.name()).help(format.description()));
    PossibleValuesParser::new(names).try_map(|name| name.parse())
}

/// What belongs to each statement.
#[derive(Args, Clone, Debug, Default)]
pub struct Asking {
    /// The value of `$NAME` in the statements: a number, true, false, null, or a text; bound, never pasted.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub parameters: Vec<Parameter>,
    /// How long a statement may take: `30`, `30s`, `500ms`, `5m`.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// `genomdb query`.
#[derive(Args, Debug)]
pub struct Query {
    /// One or more GQL statements, separated by `;`.
    #[arg(value_name = "GQL")]
    pub text: String,
    /// How to write the result; a table on a terminal, TSV into a pipe.
    #[arg(long, short = 'F', value_name = "FORMAT", value_parser = format_parser(), ignore_case = true)]
    pub format: Option<Format>,
    /// Write the result into a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What belongs to each statement.
    #[command(flatten)]
    pub asking: Asking,
    /// Where the data is.
    #[command(flatten)]
    pub reach: Reach,
}

/// Asks GenomDB questions in GQL: at a prompt, from a file, from a pipe.
#[derive(Debug, Parser)]
#[command(name = "gql", version, after_help = GQL_EXAMPLES)]
pub struct Gql {
    /// Run these statements and commands, and leave; may be given several times.
    #[arg(long, short, value_name = "GQL")]
    pub command: Vec<String>,
    /// Run the statements and commands of a file, and leave; may be given several times.
    #[arg(long, short, value_name = "FILE")]
    pub file: Vec<PathBuf>,
    /// How to write results.
    #[arg(long, short = 'F', value_name = "FORMAT", value_parser = format_parser(), ignore_case = true)]
    pub format: Option<Format>,
    /// Write results into a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// What belongs to each statement.
    #[command(flatten)]
    pub asking: Asking,
    /// Stop a script at its first error; `--bail=false` goes on, and ends with the code of the first error.
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true"
    )]
    pub bail: bool,
    /// No colours. So does NO_COLOR in the environment.
    #[arg(long)]
    pub no_color: bool,
    /// Say nothing but results and errors.
    #[arg(long, short)]
    pub quiet: bool,
    /// A file of settings instead of ~/.config/genomdb/gql.toml; `none` reads none.
    #[arg(long, value_name = "FILE", env = "GQL_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the data is.
    #[command(flatten)]
    pub reach: Reach,
}

const GQL_EXAMPLES: &str = "\
Examples:
  gql                                   a prompt; statements end in `;`, \\? lists its commands
  gql -c 'SHOW TABLES'
  gql -f questions.gql --format csv
  gql --host http://127.0.0.1:7480      the same at a server
  gql --connect 127.0.0.1:7400
  gql --param n=30 -c 'SELECT count(*) FROM reads WHERE mapq >= $n'
  echo 'SELECT count(*) FROM reads' | gql

Exit codes: 0 done, 1 a statement failed, 2 wrong usage, 3 the data folder cannot be opened or the server does
not answer, 130 interrupted.";
