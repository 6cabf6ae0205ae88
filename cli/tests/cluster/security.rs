//! Who may ask, on nodes that are real processes: tokens, certificates, and what is refused.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use crate::process::{Cluster, Node, PATIENCE, command, genomdb, parts, succeed};

/// Asks a node something over plain HTTP, and returns status and body.
fn ask(node: &Node, header: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(node.http.as_deref().unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!("POST /v1/query?format=csv HTTP/1.0\r\n{header}");
    stream.write_all(format!("{head}Content-Length: 15\r\n\r\nSELECT 1 AS one").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Waits until a node answers with a status.
#[track_caller]
fn wait_for(node: &Node, header: &str, status: u16, limit: Duration) {
    let began = Instant::now();
    loop {
        let (found, body) = ask(node, header);
        if found == status {
            return;
        }
        assert!(began.elapsed() < limit, "{found}: {body}");
    }
}

#[test]
fn a_token_counts_on_every_node_and_ends_on_every_node() {
    let mut cluster = Cluster::start(tempfile::tempdir().unwrap(), 3);
    // They run on loopback, where nobody is asked unless it is said.
    let nodes = std::mem::take(&mut cluster.nodes);
    assert_eq!(ask(&nodes[0], "").0, 200);
    cluster.nodes = nodes.into_iter().map(|node| node.restart(&["--auth", "on"])).collect();
    cluster.wait_until_settled();
    let [one, two, three] = cluster.nodes.as_slice() else { panic!("three nodes") };
    assert_eq!(ask(one, "").0, 401);
    let connect = ["--connect", &one.address];
    let create = ["token", "create", "pipeline", "--role", "reader", "--expires", "30d"];
    let token = succeed(&[&create[..], &connect].concat()).trim_end().to_owned();
    assert!(token.starts_with("gdb_") && token.len() == 76, "{token}");
    for node in [one, two, three] {
        assert_eq!(ask(node, &bearer(&token)), (200, "one\n1\n".to_owned()), "it counts everywhere at once");
    }
    let list = succeed(&["token", "list", "--connect", &three.address]);
    assert!(list.contains("pipeline  reader  ") && !list.contains("gdb_"), "{list}");
    let (code, _, err) = genomdb(&[&create[..], &connect].concat());
    assert!(code == 1 && err.contains("there is a token `pipeline`"), "{err}");
    let (code, _, err) = genomdb(&[&["token", "revoke", token.as_str()], &connect[..]].concat());
    assert!(code == 1 && err.contains("no token of that name") && !err.contains(&token), "{err}");
    succeed(&["token", "revoke", "pipeline", "--connect", &two.address]);
    for node in [one, two, three] {
        wait_for(node, &bearer(&token), 401, Duration::from_secs(5));
    }
    let (code, _, err) = genomdb(&["token", "revoke", "pipeline", "--connect", &one.address]);
    assert!(code == 1 && err.contains("no token of that name"), "{err}");
}

#[test]
fn no_token_is_in_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("node1");
    let token = succeed(&["token", "create", "a", "--role", "admin", "--data", data.to_str().unwrap()]);
    let token = token.trim_end();
    let log = folder.path().join("log");
    let node = Node::start_with(&data, &["--auth", "on", "--replicas", "1"], |command| {
        command.env("GENOMDB_LOG", "trace").stderr(File::create(&log).unwrap());
    });
    wait_for(&node, &bearer(token), 200, PATIENCE);
    let wrong = token.replace("gdb_", "gdb_0");
    assert_eq!(ask(&node, &bearer(&wrong)).0, 401);
    assert_eq!(ask(&node, &format!("Authorization: Digest {token}\r\n")).0, 401);
    // Over HTTP/2 as well, where other code reads the head.
    let url = format!("http://{}/v1/query", node.http.as_deref().unwrap());
    let (secret, made) = (format!("Authorization: Bearer {token}"), r#"{"name":"b","role":"reader"}"#);
    let curl = |url: &str, body: &str| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--http2-prior-knowledge", "--header", &secret, "--data", body, url]).output()
    };
    let mut secrets = vec![token.to_owned(), wrong];
    match curl(&url, "SELECT 2 AS two") {
        Ok(output) => {
            assert!(parts(output).1.contains("\"two\":2"));
            let (_, answer, _) = parts(curl(&url.replace("query", "tokens"), made).unwrap());
            let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
            secrets.push(answer["token"].as_str().unwrap().to_owned());
        }
        Err(_) => eprintln!("skipped in part: there is no curl"),
    }
    assert_eq!(node.stop(), 0);
    let logged = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    assert!(logged.contains(" TRACE ") && logged.contains("a request is refused"), "nothing is logged");
    for secret in secrets {
        // The check digits alone would give nothing away, any sixteen of the others would.
        let digits = secret.trim_start_matches("gdb_");
        assert!(!logged.contains(&digits[8..24]), "a secret is in the log");
    }
}

/// A certificate for `localhost` and its key.
fn pair(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join(format!("{name}.cert.pem")), folder.join(format!("{name}.key.pem")));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (cert, key)
}

#[test]
fn a_node_encrypts_and_reads_its_certificate_again() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = pair(folder.path(), "node");
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let data = folder.path().join("node1");
    let node = Node::start(&data, &["--replicas", "1", "--tls-cert", cert, "--tls-key", key]);
    let port = node.http.as_deref().unwrap().rsplit_once(':').unwrap().1;
    let healthy = |trusted: &str| {
        let resolve = format!("localhost:{port}:127.0.0.1");
        let url = format!("https://localhost:{port}/healthz");
        let arguments = ["--silent", "--cacert", trusted, "--resolve", &resolve, &url];
        Command::new("curl").args(arguments).output().map(|output| output.stdout == b"ok\n")
    };
    let Ok(first) = healthy(cert) else {
        eprintln!("skipped: there is no curl");
        return;
    };
    assert!(first);
    let old = folder.path().join("old.pem");
    std::fs::copy(cert, &old).unwrap();
    let (new_cert, new_key) = pair(folder.path(), "new");
    std::fs::copy(new_key, key).unwrap();
    std::fs::copy(new_cert, cert).unwrap();
    assert!(healthy(old.to_str().unwrap()).unwrap(), "nothing is read again before it is told");
    node.hang_up();
    let began = Instant::now();
    while !healthy(cert).unwrap() {
        assert!(began.elapsed() < PATIENCE);
    }
    assert!(!healthy(old.to_str().unwrap()).unwrap());
    assert_eq!(node.stop(), 0);
}

#[test]
fn what_is_not_protected_is_refused_unless_it_is_told_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = pair(folder.path(), "node");
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let tls = ["--tls-cert", cert, "--tls-key", key];
    let data = folder.path().join("a");
    let data = data.to_str().unwrap();
    // A label that is none shows what was let through, without starting anything.
    let refused = |more: &[&str]| {
        let always = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--label", "none"];
        let (code, _, err) = parts(command(&[&always[..], more].concat()).output().unwrap());
        assert_eq!(code, 2, "{err}");
        err
    };
    let open = ["--http", "0.0.0.0:0"];
    for (more, words) in [
        (&[][..], &["`0.0.0.0:0` is not a loopback address", "without TLS", "--insecure"][..]),
        (&["--auth", "off"], &["`0.0.0.0:0` is not a loopback address", "--auth off", "--insecure"]),
        (&["--tls-cert", cert], &["a certificate (--tls-cert) needs a private key (--tls-key)"]),
        (&["--tls-key", key], &["a private key (--tls-key) needs a certificate (--tls-cert)"]),
        (&["--auth", "perhaps"], &["perhaps", "on", "off"]),
        (&tls, &["label `none`"]),
        (&["--insecure"], &["label `none`"]),
        (&["--auth", "off", "--insecure"], &["label `none`"]),
    ] {
        let err = refused(&[&open[..], more].concat());
        words.iter().for_each(|word| assert!(err.contains(word), "{more:?}: {word}: {err}"));
    }
    let err = refused(&[&open[..], &tls, &["--auth", "off"]].concat());
    assert!(err.contains("--auth off") && err.contains("--insecure"), "encrypted for whom? {err}");
    // The same in a file.
    let file = folder.path().join("genomdb.yaml");
    let path = file.to_str().unwrap();
    for (text, words) in [
        ("http: 0.0.0.0:0\n".to_owned(), &["without TLS"][..]),
        (format!("http: 0.0.0.0:0\ntls: {{cert: {cert}, key: {key}}}\n"), &["label `none`"]),
        (format!("http: 0.0.0.0:0\nauth: off\ntls: {{cert: {cert}, key: {key}}}\n"), &["--auth off"]),
        ("http_limits: {idle_timeout_ms: 0}\n".to_owned(), &["http_limits", "idle_timeout", "1 ms..=1 h"]),
        ("http_limits: {idle_timeout: 0}\n".to_owned(), &["idle_timeout", "line 1"]),
        ("tls: {ca: x}\n".to_owned(), &["unknown field `ca`"]),
    ] {
        std::fs::write(&file, &text).unwrap();
        let err = refused(&["--config", path]);
        words.iter().for_each(|word| assert!(err.contains(word), "{text}: {word}: {err}"));
    }
    let always = ["serve", "--data", data, "--listen", "127.0.0.1:0"];
    let (code, _, err) = genomdb(&[&always[..], &["--tls-cert", key, "--tls-key", key]].concat());
    assert!(code == 2 && err.contains("node.key.pem` has no certificate"), "{err}");
    assert!(!folder.path().join("a").try_exists().unwrap(), "what is refused leaves nothing");
}
