//! How a node answers HTTP: where, with which certificate, to whom, and what connections may take.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use genomdb_server::http::Limits;
use serde::Deserialize;

use super::{File, SettingsError, are_loopback, first, resolve};
use crate::args::serve::{Serve, Switch};

/// How HTTP is answered.
#[derive(Clone, Debug)]
pub struct Http {
    /// Where.
    pub address: SocketAddr,
    /// The files of the certificate and of its key.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether requests say who sends them.
    pub authentication: bool,
    /// What connections may take.
    pub limits: Limits,
}

/// Where the certificate for HTTP is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsFiles {
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// Limits of connections; their bounds are those of [`Limits`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpLimits {
    connections_max: Option<usize>,
    header_timeout_ms: Option<u64>,
    header_bytes_max: Option<u32>,
    headers_max: Option<usize>,
    idle_timeout_ms: Option<u64>,
    body_timeout_ms: Option<u64>,
    body_pace_min: Option<u32>,
    write_timeout_ms: Option<u64>,
    streams_max: Option<u32>,
    window_bytes: Option<u32>,
    ping_interval_ms: Option<u64>,
}

impl HttpLimits {
    /// What is said here, and what is the default where nothing is.
    pub(super) fn limits(&self) -> Limits {
        let time = |said: Option<u64>, default| said.map_or(default, Duration::from_millis);
        let default = Limits::default();
        Limits {
            connections_max: self.connections_max.unwrap_or(default.connections_max),
            header_timeout: time(self.header_timeout_ms, default.header_timeout),
            header_bytes_max: self.header_bytes_max.unwrap_or(default.header_bytes_max),
            headers_max: self.headers_max.unwrap_or(default.headers_max),
            idle_timeout: time(self.idle_timeout_ms, default.idle_timeout),
            body_timeout: time(self.body_timeout_ms, default.body_timeout),
            body_pace_min: self.body_pace_min.unwrap_or(default.body_pace_min),
            write_timeout: time(self.write_timeout_ms, default.write_timeout),
            streams_max: self.streams_max.unwrap_or(default.streams_max),
            window_bytes: self.window_bytes.unwrap_or(default.window_bytes),
            ping_interval: time(self.ping_interval_ms, default.ping_interval),
        }
    }
}

/// How HTTP is answered. Where others reach it, it asks who they are and encrypts, or must be told twice.
pub(super) fn settings(
    arguments: &Serve,
    file: &File,
    listens: SocketAddr,
    insecure: bool,
) -> Result<Option<Http>, SettingsError> {
    let said = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
    let text = said(&arguments.http).or_else(|| file.http.clone());
    let Some((address, resolved)) = http_address(text.as_deref(), listens)? else { return Ok(None) };
    let path = |flag: &Option<PathBuf>, in_file: &Option<PathBuf>| {
        flag.clone().filter(|path| !path.as_os_str().is_empty()).or_else(|| in_file.clone())
    };
    let (cert, key) = ("a certificate (--tls-cert)", "a private key (--tls-key)");
    let tls = match (path(&arguments.tls_cert, &file.tls.cert), path(&arguments.tls_key, &file.tls.key)) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => return Err(SettingsError::HalfTls { given: cert, missing: key }),
        (None, Some(_)) => return Err(SettingsError::HalfTls { given: key, missing: cert }),
    };
    let is_local = are_loopback(&resolved);
    let authentication = arguments.auth.or(file.auth).map_or(!is_local, |auth| auth == Switch::On);
    let missing = match (authentication, &tls) {
        (false, _) => Some("with --auth off whoever reaches it can read and delete everything"),
        (true, None) => Some(
            "without TLS (--tls-cert, --tls-key) whoever is on the way there can read everything, tokens too",
        ),
        (true, Some(_)) => None,
    };
    if let Some(why) = missing.filter(|_| !is_local && !insecure) {
        let address = text.unwrap_or_else(|| address.to_string());
        return Err(SettingsError::Unprotected { address, why });
    }
    let limits = file.http_limits.limits();
    limits.check()?;
    Ok(Some(Http { address, tls, authentication, limits }))
}

/// Where HTTP is answered, and all that this means: as it is said, or beside where other nodes are.
fn http_address(
    said: Option<&str>,
    listens: SocketAddr,
) -> Result<Option<(SocketAddr, Vec<SocketAddr>)>, SettingsError> {
    /// From the port of nodes to that of HTTP.
    const PORTS: u16 = 80;
    match said {
        Some("off") => Ok(None),
        Some(address) => {
            let resolved = resolve(address)?;
            Ok(Some((first(&resolved, address)?, resolved)))
        }
        None => {
            let port = if listens.port() == 0 { 0 } else { listens.port().checked_add(PORTS).unwrap_or(0) };
            let address = SocketAddr::new(listens.ip(), port);
            Ok(Some((address, vec![address])))
        }
    }
}
