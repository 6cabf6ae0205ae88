//! https: certificates of the file that was named are trusted, and no others.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::PathBuf, sync::Arc};

use genomdb_client::{Client, Config, Error};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// A server of `localhost` that says over TLS that it is ready, and the PEM of its certificate.
async fn serve() -> (u16, String, JoinSet<()>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut server = JoinSet::new();
    server.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // Whoever does not trust it leaves in the middle of the handshake.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n").await.unwrap();
        }
    });
    (port, made.cert.pem(), server)
}

fn file(folder: &std::path::Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn only_who_is_trusted_is_asked() {
    let folder = std::env::temp_dir().join(format!("genomdb-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (port, pem, _server) = serve().await;
    let (_, other, _other_server) = serve().await;
    let mut config = Config::new(format!("https://localhost:{port}"));
    config.ca_file = Some(file(&folder, "ca.pem", &pem));
    Client::new(&config).unwrap().ready().await.unwrap();
    config.ca_file = Some(file(&folder, "other.pem", &other));
    let refused = Client::new(&config).unwrap().ready().await;
    assert!(matches!(refused, Err(Error::Connect { .. })), "{refused:?}");
    config.ca_file = None;
    let refused = Client::new(&config).unwrap().ready().await;
    assert!(matches!(refused, Err(Error::Connect { .. })), "the machine does not know it: {refused:?}");
    std::fs::remove_dir_all(&folder).unwrap();
}
