//! `Handshake`: a token for a name and a password.

use arrow_flight::{HandshakeRequest, HandshakeResponse};
use futures::stream;
use tonic::{Request, Response, Status, Streaming, metadata::MetadataValue};

use super::{Stream, caller};
use crate::Token;

/// Answers with the token that was shown, be it as a password; where nobody is asked who they are, with one
/// that names a session and does nothing else.
pub(super) async fn answer(
    request: Request<Streaming<HandshakeRequest>>,
) -> Result<Response<Stream<HandshakeResponse>>, Status> {
    let shown = request.extensions().get::<Token>().map(|token| token.reveal().to_owned());
    let token = shown.unwrap_or_else(caller::random_name);
    let protocol_version = request.into_inner().message().await?.unwrap_or_default().protocol_version;
    let payload = token.clone().into_bytes().into();
    let answer = HandshakeResponse { protocol_version, payload };
    let mut response = Response::new(Box::pin(stream::iter([Ok(answer)])) as Stream<_>);
    let bearer = MetadataValue::try_from(format!("Bearer {token}"));
    let mut bearer = bearer.map_err(|_| Status::internal("the token is no value of a header"))?;
    bearer.set_sensitive(true);
    response.metadata_mut().insert("authorization", bearer);
    Ok(response)
}
