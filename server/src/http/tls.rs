//! TLS 1.2 and 1.3 with certificates that are given as files, and read again while connections go on.

use std::{
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::RwLock;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, InconsistentKeys, ServerConfig,
        crypto::CryptoProvider,
        pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject as _},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// Bytes of a file of certificates; a chain has some thousand, and the path may name anything.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not PEM.
    #[error("`{}` is not PEM, the form with `-----BEGIN …-----`", path.display())]
    NotPem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// A file has something else.
    #[error("`{}` has no {what}, `-----BEGIN {label}-----`", path.display())]
    Missing {
        /// Which.
        path: PathBuf,
        /// What it should have.
        what: &'static str,
        /// How that begins.
        label: &'static str,
    },
    /// The private key cannot be used.
    #[error("the private key in `{}` cannot be used", path.display())]
    Key {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The certificate cannot be used.
    #[error("the certificate in `{}` cannot be used", path.display())]
    Certificate {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// They are not of the same pair.
    #[error("the private key in `{}` is not that of the first certificate in `{}`", key.display(), cert.display())]
    Mismatch {
        /// Where the certificate is.
        cert: PathBuf,
        /// Where the key is.
        key: PathBuf,
    },
    /// TLS cannot be set up at all.
    #[error("TLS cannot be used")]
    SetUp(#[source] rustls::Error),
}

/// A certificate and what speaks TLS with it; clones share both.
#[derive(Clone)]
pub struct Tls {
    files: Arc<Files>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.files.fmt(formatter)
    }
}

#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

impl Tls {
    /// Reads the chain of a certificate, its own first, and its private key; both PEM.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read or used, or they do not belong together; the error names the file.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let files = Files { cert: cert.to_owned(), key: key.to_owned() };
        let current = Arc::new(Current(RwLock::new(Arc::new(read(&files, &provider)?))));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::SetUp)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files: Arc::new(files), current, config: Arc::new(config) })
    }

    /// Reads the files again; connections that are open go on as they are.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`]; then the certificate that was good goes on.
    pub fn reload(&self) -> Result<(), TlsError> {
        let certified = read(&self.files, self.config.crypto_provider())?;
        *self.current.0.write() = Arc::new(certified);
        Ok(())
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.config).into()
    }
}

fn read(files: &Files, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let Files { cert, key } = files;
    let (chain_text, key_text) = (text(cert)?, text(key)?);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain_text).collect();
    let chain = chain.map_err(|source| TlsError::NotPem { path: cert.clone(), source })?;
    if chain.is_empty() {
        let (what, label) = ("certificate", "CERTIFICATE");
        return Err(TlsError::Missing { path: cert.clone(), what, label });
    }
    let private = PrivateKeyDer::from_pem_slice(&key_text).map_err(|source| match source {
        pem::Error::NoItemsFound => {
            TlsError::Missing { path: key.clone(), what: "private key", label: "PRIVATE KEY" }
        }
        source => TlsError::NotPem { path: key.clone(), source },
    })?;
    warn_of_readers(key);
    let private = provider.key_provider.load_private_key(private);
    let private = private.map_err(|source| TlsError::Key { path: key.clone(), source })?;
    let certified = CertifiedKey::new(chain, private);
    match certified.keys_match() {
        // Keys that do not tell their public half are taken at their word.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { cert: cert.clone(), key: key.clone() })
        }
        Err(source) => Err(TlsError::Certificate { path: cert.clone(), source }),
    }
}

fn text(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(std::io::Error::other(format!("more than {FILE_BYTES_MAX} bytes"))));
    }
    Ok(bytes)
}

/// Says so if others on this machine can read the private key.
fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 != 0) {
            tracing::warn!(path = %path.display(), "everybody on this machine can read the private key");
        }
    }
}
