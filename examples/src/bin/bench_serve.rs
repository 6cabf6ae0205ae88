//! Measures a server as its clients see it: how long a region query takes over HTTP and Flight SQL, and how
//! fast a large result comes. `cargo xtask bench-serve` builds and runs it.
//!
//! `bench_serve GENOMDB FOLDER SECONDS`: the binary of the server, a data folder with a table `reads`, and
//! how long each measurement takes.

use std::{
    error::Error,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt;
use genomdb_server::{Answer, Config, Node, Observer, Principal, Silent, Statement, http};
use serde_json::Value;
use tonic::transport::Endpoint;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The width of a region.
const REGION: u64 = 10_000;
/// Regions that are asked for in turn.
const REGIONS: usize = 1_000;
const CLIENTS: [usize; 3] = [1, 8, 64];
/// What a large result is made of.
const LARGE: &str = "SELECT qname, flag, chrom, pos, mapq, cigar, seq, qual FROM reads";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, folder, seconds] = arguments.as_slice() else {
        return Err("bench_serve GENOMDB FOLDER SECONDS".into());
    };
    let time = Duration::from_secs(seconds.parse()?);
    let server = Server::start(program, folder)?;
    eprintln!("ready after {:.0} ms", server.ready.as_secs_f64() * 1_000.0);
    let queries = Arc::new(queries(&server.http)?);
    for format in ["arrow", "json"] {
        for clients in CLIENTS {
            let address = server.http.clone();
            let times = many(clients, time, &queries, move || Http::connect(&address, format))?;
            tell(&format!("HTTP {format}"), clients, time, times);
        }
    }
    for clients in CLIENTS {
        let address = server.http.clone();
        let times = many(clients, time, &queries, move || Flight::connect(&address))?;
        tell("Flight SQL", clients, time, times);
    }
    large(&server)?;
    drop(server);
    paired(folder, time * 4, &queries)
}

/// Somebody who asks one query after another.
trait Client {
    /// Asks, and reads the answer to its end.
    fn ask(&mut self, query: &str) -> Result<()>;
}

/// Has so many clients ask for a while; how long each answer took.
fn many<C: Client>(
    clients: usize,
    time: Duration,
    queries: &Arc<Vec<String>>,
    connect: impl Fn() -> Result<C> + Clone + Send + 'static,
) -> Result<Vec<Duration>> {
    let threads: Vec<_> = (0..clients)
        .map(|number| {
            let (queries, connect) = (Arc::clone(queries), connect.clone());
            std::thread::spawn(move || {
                let mut client = connect()?;
                let mut times = Vec::new();
                let mut asked = queries.iter().cycle().skip(number * 17);
                // The first answers warm what later ones find warm.
                for query in asked.by_ref().take(20) {
                    client.ask(query)?;
                }
                let began = Instant::now();
                while began.elapsed() < time {
                    let Some(query) = asked.next() else { break };
                    let begin = Instant::now();
                    client.ask(query)?;
                    times.push(begin.elapsed());
                }
                Ok(times)
            })
        })
        .collect();
    let mut all = Vec::new();
    for thread in threads {
        let times: Result<Vec<Duration>> = thread.join().map_err(|_| "a client panicked")?;
        all.extend(times?);
    }
    Ok(all)
}

fn tell(what: &str, clients: usize, time: Duration, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        let place = (times.len() as f64 * share) as usize;
        times.get(place).or(times.last()).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    eprintln!(
        "{what:16} {clients:3} clients: {:8.0} a second, p50 {:6.2} ms, p99 {:6.2} ms",
        times.len() as f64 / time.as_secs_f64(),
        at(0.5),
        at(0.99),
    );
}

/// A server of its own, which ends with this value.
struct Server {
    process: Child,
    http: String,
    ready: Duration,
}

impl Server {
    fn start(program: &str, folder: &str) -> Result<Self> {
        let began = Instant::now();
        let mut process = Command::new(program)
            .args(["serve", "--data", folder, "--listen", "127.0.0.1:0", "--replicas", "1"])
            .env("GENOMDB_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().ok_or("no standard output")?;
        let line = BufReader::new(out).lines().map_while(std::result::Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("http://")?;
            Some(rest.split_once('/')?.0.to_owned())
        });
        let http = line.ok_or("the server does not say where it answers")?;
        while Http::connect(&http, "json")?.get("/readyz")? != 200 {}
        Ok(Self { process, http, ready: began.elapsed() })
    }

    /// Seconds of processors that it has used.
    fn processor_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, rest) = stat.rsplit_once(") ").ok_or("an unknown form of stat")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks =
            |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        Ok((ticks(11) + ticks(12)) / 100.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

/// One connection that is used again and again.
struct Http {
    stream: BufReader<TcpStream>,
    format: &'static str,
    line: Vec<u8>,
    body: Vec<u8>,
}

impl Http {
    fn connect(address: &str, format: &'static str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let stream = BufReader::with_capacity(256 << 10, stream);
        Ok(Self { stream, format, line: Vec::new(), body: vec![0; 1 << 20] })
    }

    fn get(&mut self, path: &str) -> Result<u16> {
        self.stream.get_mut().write_all(format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").as_bytes())?;
        Ok(self.answer(|_| {})?.0)
    }

    /// Asks; the status, and the bytes of the answer's body.
    fn post(&mut self, query: &str, body: impl FnMut(&[u8])) -> Result<(u16, u64)> {
        let (format, length) = (self.format, query.len());
        let request = format!(
            "POST /v1/query?format={format} HTTP/1.1\r\nHost: bench\r\nContent-Length: {length}\r\n\r\n{query}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer(body)
    }

    fn next_line(&mut self) -> Result<&str> {
        self.line.clear();
        if self.stream.read_until(b'\n', &mut self.line)? == 0 {
            return Err("the connection was closed".into());
        }
        Ok(std::str::from_utf8(&self.line)?.trim_end())
    }

    fn answer(&mut self, mut body: impl FnMut(&[u8])) -> Result<(u16, u64)> {
        let status: u16 = self.next_line()?.split(' ').nth(1).ok_or("no status")?.parse()?;
        let mut length = None;
        loop {
            let line = self.next_line()?.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = Some(text.trim().parse::<usize>()?);
            }
        }
        let mut total = 0;
        if let Some(length) = length {
            total += self.take(length, &mut body)?;
            return Ok((status, total));
        }
        loop {
            let chunk = usize::from_str_radix(self.next_line()?, 16)?;
            if chunk == 0 {
                while !self.next_line()?.is_empty() {}
                return Ok((status, total));
            }
            total += self.take(chunk, &mut body)?;
            self.next_line()?;
        }
    }

    fn take(&mut self, length: usize, body: &mut impl FnMut(&[u8])) -> Result<u64> {
        let mut left = length;
        while left > 0 {
            let piece = self.body.get_mut(..left.min(1 << 20)).ok_or("no room")?;
            self.stream.read_exact(piece)?;
            body(piece);
            left -= piece.len();
        }
        Ok(length as u64)
    }
}

impl Client for Http {
    fn ask(&mut self, query: &str) -> Result<()> {
        match self.post(query, |_| {})? {
            (200, _) => Ok(()),
            (status, _) => Err(format!("status {status}").into()),
        }
    }
}

/// A Flight SQL client on a runtime of its own.
struct Flight {
    runtime: tokio::runtime::Runtime,
    client: FlightSqlServiceClient<tonic::transport::Channel>,
}

impl Flight {
    fn connect(address: &str) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let endpoint = Endpoint::from_shared(format!("http://{address}"))?.tcp_nodelay(true);
        let endpoint = endpoint.initial_stream_window_size(8 << 20).initial_connection_window_size(16 << 20);
        let channel = runtime.block_on(endpoint.connect())?;
        Ok(Self { runtime, client: FlightSqlServiceClient::new(channel) })
    }

    /// Asks; the rows of the answer, and their bytes in memory.
    fn query(&mut self, query: &str) -> Result<(usize, u64)> {
        let client = &mut self.client;
        self.runtime.block_on(async {
            let info = client.execute(query.to_owned(), None).await?;
            let ticket = info.endpoint.first().and_then(|endpoint| endpoint.ticket.clone());
            let mut batches = client.do_get(ticket.ok_or("no ticket")?).await?;
            let (mut rows, mut bytes) = (0, 0);
            while let Some(batch) = batches.try_next().await? {
                rows += batch.num_rows();
                // A message is one buffer that the columns of its batch share: counted by their slices.
                for column in batch.columns() {
                    bytes += column.to_data().get_slice_memory_size()? as u64;
                }
            }
            Ok((rows, bytes))
        })
    }
}

impl Client for Flight {
    fn ask(&mut self, query: &str) -> Result<()> {
        self.query(query).map(drop)
    }
}

/// Queries of regions, evenly over the longest contig.
fn queries(address: &str) -> Result<Vec<String>> {
    let mut text = Vec::new();
    let query = "SELECT chrom, min(start) AS first, max(start) AS last FROM reads \
                 WHERE chrom IS NOT NULL GROUP BY chrom ORDER BY count(*) DESC LIMIT 1";
    let (status, _) = Http::connect(address, "json")?.post(query, |piece| text.extend_from_slice(piece))?;
    let answer: Value = serde_json::from_slice(&text)?;
    let row = answer.pointer("/rows/0").ok_or_else(|| format!("status {status}: {answer}"))?;
    let field = |name: &str| row.get(name).and_then(Value::as_u64).ok_or("the table is empty");
    let (first, last) = (field("first")?, field("last")?);
    let chrom = row.get("chrom").and_then(Value::as_str).ok_or("no contig")?;
    let step = (last - first) / REGIONS as u64;
    let region = |number: usize| {
        let begin = first + 1 + step * ((number * 379) % REGIONS) as u64;
        format!("{LARGE} WHERE interval INTERSECTS '{chrom}:{begin}-{}'", begin + REGION - 1)
    };
    Ok((0..REGIONS).map(region).collect())
}

/// Reads a large result, and tells how fast it came and what it cost the server.
fn large(server: &Server) -> Result<()> {
    let tell = |what: &str, bytes: u64, began: Instant, before: f64| -> Result<()> {
        let (seconds, used) = (began.elapsed().as_secs_f64(), server.processor_seconds()? - before);
        let megabytes = bytes as f64 / 1e6;
        eprintln!(
            "{what:16} large result: {megabytes:.0} MB at {:.0} MB/s, {:.0} MB/s for each core of the server",
            megabytes / seconds,
            megabytes / used,
        );
        Ok(())
    };
    let (before, began) = (server.processor_seconds()?, Instant::now());
    let (_, bytes) = Http::connect(&server.http, "arrow")?.post(LARGE, |_| {})?;
    tell("HTTP arrow", bytes, began, before)?;
    let (before, began) = (server.processor_seconds()?, Instant::now());
    let (_, bytes) = Flight::connect(&server.http)?.query(LARGE)?;
    tell("Flight SQL", bytes, began, before)?;
    Ok(())
}

/// The same queries in turn without a server and by each protocol, on one node: what a server adds, told from
/// how fast the machine happens to be.
fn paired(folder: &str, time: Duration, queries: &[String]) -> Result<()> {
    const WAYS: [&str; 4] = ["in this process", "HTTP arrow", "HTTP json", "Flight SQL"];
    let runtime = tokio::runtime::Runtime::new()?;
    let node = Arc::new(Node::open(folder.as_ref(), &Config::default())?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = http::Server::start_with(Arc::clone(&node), listener, http::Options::default())?;
    let address = server.address().to_string();
    let (mut arrow, mut json) = (Http::connect(&address, "arrow")?, Http::connect(&address, "json")?);
    let mut flight = Flight::connect(&address)?;
    let session = node.session(Principal::local());
    let observer: Arc<dyn Observer> = Arc::new(Silent);
    let direct = async |query: &str| -> Result<()> {
        let answer = node.query(&session, &Statement::parse(query)?, &observer).await?;
        let Answer::Rows(rows) = answer else { return Err("not a query".into()) };
        Ok(rows.try_for_each(|_| async { Ok(()) }).await?)
    };
    let mut times: [Vec<Duration>; 4] = Default::default();
    let began = Instant::now();
    for (number, query) in queries.iter().cycle().enumerate() {
        if began.elapsed() > time {
            break;
        }
        for turn in 0..WAYS.len() {
            // Nobody is always the one who finds the blocks in the cache.
            let way = (turn + number) % WAYS.len();
            let begin = Instant::now();
            match way {
                0 => runtime.block_on(direct(query))?,
                1 => arrow.ask(query)?,
                2 => json.ask(query)?,
                _ => flight.ask(query)?,
            }
            if let Some(times) = times.get_mut(way).filter(|_| number >= 20) {
                times.push(begin.elapsed());
            }
        }
    }
    let middle = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times.get(times.len() / 2).map_or(0.0, |time| time.as_secs_f64() * 1_000.0)
    };
    let middles: Vec<f64> = times.iter_mut().map(middle).collect();
    let first = middles.first().copied().unwrap_or(0.0);
    for (way, middle) in WAYS.iter().zip(&middles) {
        eprintln!(
            "{way:16} in turn: p50 {middle:6.2} ms, {:5.2} ms more than in this process",
            middle - first
        );
    }
    server.stop();
    Ok(())
}
