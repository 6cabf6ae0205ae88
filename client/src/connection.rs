//! Connections to the server: made when they are needed, kept while they are good.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{Request, Response, body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use crate::{Config, Error, address::Address, trust};

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// A connection that is open.
struct Sender {
    requests: http1::SendRequest<Body>,
    /// What reads and writes; it ends with this.
    _work: JoinSet<()>,
}

/// Makes and keeps connections.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Shared>);

struct Shared {
    address: Address,
    tls: Option<TlsConnector>,
    timeout: Duration,
    idle_max: usize,
    idle: Mutex<Vec<Sender>>,
}

/// A connection whose answer is being read. Dropped before [`Lease::give_back`], it is closed: the server
/// then ends what it does for it.
pub(crate) struct Lease {
    sender: Sender,
    shared: Arc<Shared>,
}

impl Lease {
    /// The answer was read to its end: the connection is free for the next request.
    pub(crate) fn give_back(self) {
        if self.sender.requests.is_closed() {
            return;
        }
        let mut idle = self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.shared.idle_max {
            idle.push(self.sender);
        }
    }
}

impl Connections {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let address = Address::parse(&config.address)?;
        let tls = match address.is_encrypted {
            true => Some(trust::connector(config.ca_file.as_deref())?),
            false => None,
        };
        let (timeout, idle_max) = (config.connect_timeout, config.idle_connections_max);
        Ok(Self(Arc::new(Shared { address, tls, timeout, idle_max, idle: Mutex::default() })))
    }

    pub(crate) fn address(&self) -> &Address {
        &self.0.address
    }

    /// Sends a request, and waits for the head of the answer.
    pub(crate) async fn send(
        &self,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), Error> {
        // A connection that was kept may have been closed by the server since. A request that was not
        // written to it goes to the next; one that may have been read goes nowhere else.
        while let Some(mut sender) = self.kept() {
            if sender.requests.ready().await.is_err() {
                continue;
            }
            match sender.requests.try_send_request(request).await {
                Ok(response) => return Ok((response, self.lease(sender))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(Error::NoAnswer(error.into_error())),
                },
            }
        }
        let mut sender = self.connect().await?;
        let response = sender.requests.send_request(request).await.map_err(Error::NoAnswer)?;
        Ok((response, self.lease(sender)))
    }

    fn lease(&self, sender: Sender) -> Lease {
        Lease { sender, shared: Arc::clone(&self.0) }
    }

    fn kept(&self) -> Option<Sender> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    async fn connect(&self) -> Result<Sender, Error> {
        let address = &self.0.address;
        let connected = tokio::time::timeout(self.0.timeout, self.reach()).await;
        let timeout = || Error::ConnectTimeout { address: address.to_string(), within: self.0.timeout };
        connected.map_err(|_| timeout())?
    }

    async fn reach(&self) -> Result<Sender, Error> {
        let Address { host, port, .. } = &self.0.address;
        let fail = |source| Error::Connect { address: self.0.address.to_string(), source };
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(fail)?;
        // A question is one small packet, which shall not wait for another.
        stream.set_nodelay(true).map_err(fail)?;
        match &self.0.tls {
            None => handshake(stream).await,
            Some(tls) => {
                let name =
                    ServerName::try_from(host.clone()).map_err(|error| fail(io::Error::other(error)))?;
                handshake(tls.connect(name, stream).await.map_err(fail)?).await
            }
        }
    }
}

async fn handshake<S>(stream: S) -> Result<Sender, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Error::NoAnswer)?;
    let mut work = JoinSet::new();
    // An error of it is also one of the request or the body.
    work.spawn(async move {
        let _seen_elsewhere = connection.await;
    });
    Ok(Sender { requests, _work: work })
}
