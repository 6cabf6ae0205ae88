//! The same over TLS, with certificates made for the occasion.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use genomdb_server::{
    Config,
    http::{Options, Tls},
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName},
};

use crate::{Served, numbers};

/// A certificate for `localhost` and its key, in files of a folder.
struct Pair {
    cert: PathBuf,
    key: PathBuf,
    der: CertificateDer<'static>,
}

fn pair(folder: &Path, name: &str) -> Pair {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |kind: &str| folder.join(format!("{name}.{kind}.pem"));
    let made = Pair { cert: path("cert"), key: path("key"), der: cert.der().clone() };
    std::fs::write(&made.cert, cert.pem()).unwrap();
    std::fs::write(&made.key, signing_key.serialize_pem()).unwrap();
    made
}

fn served(pair: &Pair) -> (Served, Tls) {
    let tls = Tls::load(&pair.cert, &pair.key).unwrap();
    let options = Options { tls: Some(tls.clone()), ..Options::default() };
    (Served::start_as(&Config::default(), options), tls)
}

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn connect(to: SocketAddr, trusted: &Pair, version: &'static SupportedProtocolVersion, alpn: &str) -> Stream {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream)
}

/// Asks once, and reads until the answer has come.
fn healthy(stream: &mut Stream) -> bool {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok\n") {
        let mut bytes = [0; 1000];
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return false,
            Ok(count) => answer.extend_from_slice(&bytes[..count]),
        }
    }
    answer.starts_with(b"HTTP/1.1 200 ")
}

#[test]
fn both_versions_of_tls_and_of_http() {
    let folder = tempfile::tempdir().unwrap();
    let pair = pair(folder.path(), "a");
    let (served, _) = served(&pair);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut stream = connect(served.address(), &pair, version, "http/1.1");
        assert!(healthy(&mut stream), "{version:?}");
        assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
    let mut stream = connect(served.address(), &pair, &rustls::version::TLS13, "h2");
    stream.conn.complete_io(&mut stream.sock).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"h2"[..]));
    let curl = Command::new("curl")
        .args(["--silent", "--show-error", "--data", &numbers(5), "--cacert"])
        .arg(&pair.cert)
        .args(["--resolve", &format!("localhost:{}:127.0.0.1", served.address().port())])
        .args(["--write-out", "%{http_code} over %{http_version}", "--output", "/dev/null"])
        .arg(format!("https://localhost:{}/v1/query?format=csv", served.address().port()))
        .output();
    let Ok(curl) = curl else {
        eprintln!("skipped: there is no curl");
        return;
    };
    assert_eq!(String::from_utf8_lossy(&curl.stdout), "200 over 2", "{curl:?}");
}

#[test]
fn who_speaks_plainly_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (served, _) = served(&pair(folder.path(), "a"));
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
}

#[test]
fn a_certificate_is_renewed_while_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let old = pair(folder.path(), "old");
    let (served, tls) = served(&old);
    let mut open = connect(served.address(), &old, &rustls::version::TLS13, "http/1.1");
    assert!(healthy(&mut open));
    let new = pair(folder.path(), "new");
    // Half of a renewal changes nothing.
    std::fs::copy(&new.cert, &old.cert).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("old.key.pem") && error.contains("old.cert.pem"), "{error}");
    assert!(healthy(&mut connect(served.address(), &old, &rustls::version::TLS13, "http/1.1")));
    std::fs::copy(&new.key, &old.key).unwrap();
    tls.reload().unwrap();
    assert!(healthy(&mut connect(served.address(), &new, &rustls::version::TLS13, "http/1.1")));
    let mut stream = connect(served.address(), &old, &rustls::version::TLS13, "http/1.1");
    assert!(stream.conn.complete_io(&mut stream.sock).is_err(), "the old one is not shown any more");
    assert!(healthy(&mut open), "who was connected still is");
}

#[test]
fn errors_name_the_file_and_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (pair(folder.path(), "a"), pair(folder.path(), "b"));
    let (text, broken) = (folder.path().join("text"), folder.path().join("broken"));
    std::fs::write(&text, "no certificate").unwrap();
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n").unwrap();
    let missing = folder.path().join("missing");
    for (cert, key, words) in [
        (&missing, &a.key, &["cannot read", "missing"][..]),
        (&a.cert, &missing, &["cannot read", "missing"]),
        (&text, &a.key, &["text", "no certificate", "BEGIN CERTIFICATE"]),
        (&a.cert, &text, &["text", "no private key", "BEGIN PRIVATE KEY"]),
        (&broken, &a.key, &["broken", "not PEM"]),
        (&a.cert, &a.cert, &["a.cert.pem", "no private key"]),
        (&a.cert, &b.key, &["b.key.pem", "not that of", "a.cert.pem"]),
    ] {
        let error = Tls::load(cert, key).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
}
