//! As much of etcd's client protocol (v3) as a put and a linearizable get need.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::load::Target;

/// `etcdserverpb.PutRequest`, without leases and previous values.
#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// `etcdserverpb.PutResponse`; its header is not looked at.
#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

/// `etcdserverpb.RangeRequest` of one key; `serializable` (tag 7) is absent: the read is linearizable.
#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
}

/// `etcdserverpb.RangeResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(message, repeated, tag = "2")]
    kvs: Vec<KeyValue>,
}

/// `mvccpb.KeyValue`.
#[derive(Clone, PartialEq, prost::Message)]
struct KeyValue {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "5")]
    value: Bytes,
}

/// A cluster of etcd: one connection per endpoint, shared by the clients in turn.
pub(crate) struct Etcd {
    channels: Vec<Channel>,
    next: AtomicUsize,
}

impl Etcd {
    /// Connects to all endpoints.
    pub(crate) async fn connect(endpoints: &[String]) -> Self {
        let mut channels = Vec::new();
        for endpoint in endpoints {
            let endpoint = Endpoint::from_shared(format!("http://{endpoint}")).unwrap().tcp_nodelay(true);
            channels.push(endpoint.connect().await.unwrap());
        }
        Self { channels, next: AtomicUsize::new(0) }
    }
}

/// One client of it.
pub(crate) struct EtcdClient(Grpc<Channel>);

impl Target for Etcd {
    type Client = EtcdClient;

    fn client(&self) -> EtcdClient {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let channel = self.channels.get(next % self.channels.len()).unwrap();
        EtcdClient(Grpc::new(channel.clone()))
    }

    async fn put(client: &mut EtcdClient, key: Bytes, value: Bytes) -> Result<(), String> {
        client.0.ready().await.map_err(|error| error.to_string())?;
        let codec: ProstCodec<PutRequest, PutResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Put");
        let request = Request::new(PutRequest { key, value });
        client.0.unary(request, path, codec).await.map_err(|status| status.to_string())?;
        Ok(())
    }

    async fn get(client: &mut EtcdClient, key: Bytes) -> Result<Option<Bytes>, String> {
        client.0.ready().await.map_err(|error| error.to_string())?;
        let codec: ProstCodec<RangeRequest, RangeResponse> = ProstCodec::default();
        let path = PathAndQuery::from_static("/etcdserverpb.KV/Range");
        let request = Request::new(RangeRequest { key: key.clone() });
        let response = client.0.unary(request, path, codec).await.map_err(|status| status.to_string())?;
        Ok(response.into_inner().kvs.into_iter().find(|found| found.key == key).map(|found| found.value))
    }
}
