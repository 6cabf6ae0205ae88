//! A server with a table, and clients of it.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{
    FlightInfo, decode::FlightRecordBatchStream, flight_service_client::FlightServiceClient,
    sql::client::FlightSqlServiceClient,
};
use futures::TryStreamExt as _;
use genomdb_server::{
    CancelToken, Config, LoadRequest, Node, Observer, Silent,
    http::{Options, Server},
};
use tonic::transport::{Channel, Endpoint};

const BAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data/NA12878.chr11_chr20.bam");

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) type Client = FlightSqlServiceClient<Channel>;

pub(crate) struct Served {
    server: Option<Server>,
    pub(crate) node: Arc<Node>,
    _folder: tempfile::TempDir,
}

impl Served {
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = Arc::new(Node::open(folder.path(), &Config::default()).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server::start_with(Arc::clone(&node), listener, options).unwrap();
        Self { server: Some(server), node, _folder: folder }
    }

    /// The same, with a table `reads` of 3,278 records.
    pub(crate) async fn with_reads() -> Self {
        let served = Self::start();
        let request = LoadRequest {
            path: Some(PathBuf::from(BAM)),
            table: "reads".to_owned(),
            ..LoadRequest::default()
        };
        let observer: Arc<dyn Observer> = Arc::new(Silent);
        served.node.load(&request, &observer, &CancelToken::new()).await.unwrap();
        served
    }

    pub(crate) async fn channel(&self) -> Channel {
        let address = self.server.as_ref().unwrap().address();
        Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
    }

    /// A client without a name.
    pub(crate) async fn client(&self) -> Client {
        Client::new(self.channel().await)
    }

    /// A client of Flight alone.
    pub(crate) async fn plain(&self) -> FlightServiceClient<Channel> {
        FlightServiceClient::new(self.channel().await)
    }

    pub(crate) async fn wait_until(&self, what: &str, is_so: impl Fn(&Node) -> bool) {
        let begun = Instant::now();
        while !is_so(&self.node) {
            assert!(begun.elapsed() < PATIENCE, "{what}: it never came to that");
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn wait_until_nothing_runs(&self) {
        self.wait_until("nothing runs", |node| node.queries().list().is_empty()).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            // It waits for its threads, which a test's own may not.
            std::thread::spawn(move || server.stop()).join().unwrap();
        }
    }
}

/// What a result is: the schema that was promised, the one that came, and the rows.
pub(crate) struct Got {
    pub(crate) promised: arrow::datatypes::Schema,
    pub(crate) schema: SchemaRef,
    pub(crate) batches: Vec<RecordBatch>,
}

impl Got {
    pub(crate) fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    pub(crate) fn table(&self) -> String {
        arrow::util::pretty::pretty_format_batches(&self.batches).unwrap().to_string()
    }
}

/// Gets what a client was promised.
pub(crate) async fn get(client: &mut Client, info: FlightInfo) -> Got {
    let promised = info.clone().try_decode_schema().unwrap();
    assert_eq!(info.endpoint.len(), 1, "one endpoint a result");
    let ticket = info.endpoint.first().unwrap().ticket.clone().unwrap();
    let mut rows: FlightRecordBatchStream = client.do_get(ticket).await.unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = rows.try_next().await.unwrap() {
        batches.push(batch);
    }
    Got { promised, schema: rows.schema().expect("a schema comes with every result").clone(), batches }
}

/// Runs a statement.
pub(crate) async fn ask(client: &mut Client, text: &str) -> Got {
    let info = client.execute(text.to_owned(), None).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    get(client, info).await
}

/// A query of so many rows, in a column `n` from 0 on.
pub(crate) fn numbers(digits: u32) -> String {
    let values = "(VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9))";
    let from: Vec<String> = (0..digits).map(|digit| format!("{values} AS t{digit}(d{digit})")).collect();
    let sum: Vec<String> = (0..digits).map(|digit| format!("{} * d{digit}", 10_u64.pow(digit))).collect();
    format!("SELECT {} AS n FROM {}", sum.join(" + "), from.join(" CROSS JOIN "))
}
