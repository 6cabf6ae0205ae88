//! Who sends a request: a token in `Authorization`, as `Bearer`, or as the password of `Basic` for tools that
//! know only names and passwords.
//!
//! Nothing else of a request is looked at before this: who is not known has no body read, and no query begun.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{listen::Peer, problem::Problem};
use crate::{Node, Principal, accounts::AccountError, token::Token};

/// What is answered to everybody: whether the node lives, and nothing else of it.
pub(super) const HEALTH: [&str; 2] = ["/healthz", "/readyz"];
/// Where clients of Arrow Flight show a name and a password, and are told what to show from then on.
const HANDSHAKE: &str = "/arrow.flight.protocol.FlightService/Handshake";

/// Where requests are asked who sends them.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pub(super) node: Arc<Node>,
    /// Without it, everybody is [`Principal::local`].
    pub(super) is_closed: bool,
}

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("who asks? Send a token: `Authorization: Bearer gdb_…`")]
    Nobody,
    #[error("the Authorization header is neither `Bearer TOKEN` nor `Basic` with a token as password")]
    Malformed,
    #[error("the token is not known, was revoked, or has expired")]
    Unknown,
    #[error(transparent)]
    Store(#[from] AccountError),
}

/// Puts a [`Principal`] on the request, or refuses it.
pub(super) async fn authenticate(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !gate.is_closed {
        request.extensions_mut().insert(Principal::local());
    } else if !HEALTH.contains(&path) {
        match gate.who(request.headers()).await {
            Ok((principal, token)) => {
                let is_handshake = path == HANDSHAKE;
                request.extensions_mut().insert(principal);
                if is_handshake {
                    request.extensions_mut().insert(token);
                }
            }
            Err(refused) => {
                let peer = request.extensions().get::<Peer>().map(|peer| peer.address);
                tracing::debug!(?peer, path, %refused, "a request is refused");
                return refused.answer(request.headers());
            }
        }
    }
    if let Some(secret) = request.headers_mut().get_mut(header::AUTHORIZATION) {
        // From here on it is no business of a log.
        secret.set_sensitive(true);
    }
    next.run(request).await
}

impl Gate {
    async fn who(&self, headers: &HeaderMap) -> Result<(Principal, Token), Refused> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let token = match (values.next(), values.next()) {
            (None, _) => return Err(Refused::Nobody),
            (Some(value), None) => token_of(value)?,
            (Some(_), Some(_)) => return Err(Refused::Malformed),
        };
        let principal = self.node.accounts().authenticate(&token).await?.ok_or(Refused::Unknown)?;
        Ok((principal, token))
    }
}

/// The token in the value of an `Authorization` header.
fn token_of(value: &HeaderValue) -> Result<Token, Refused> {
    let text = value.to_str().map_err(|_| Refused::Malformed)?;
    let (scheme, rest) = text.trim().split_once(' ').ok_or(Refused::Malformed)?;
    let rest = rest.trim();
    let parsed = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Token::parse(rest),
        "basic" => {
            let decoded = STANDARD.decode(rest).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let decoded = decoded.ok_or(Refused::Malformed)?;
            // Whatever the name is: the token knows better.
            Token::parse(decoded.split_once(':').ok_or(Refused::Malformed)?.1)
        }
        _ => return Err(Refused::Malformed),
    };
    parsed.map_err(|_| Refused::Unknown)
}

impl Refused {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let media_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if media_type.starts_with(b"application/grpc") {
            return self.grpc_answer();
        }
        if let Self::Store(error) = self {
            return Problem::unavailable(error.to_string()).into_response();
        }
        let mut response = Problem::unauthorized(self.to_string()).into_response();
        let bearer = match self {
            Self::Nobody => "Bearer realm=\"genomdb\"",
            _ => "Bearer realm=\"genomdb\", error=\"invalid_token\"",
        };
        let headers = response.headers_mut();
        headers.append(header::WWW_AUTHENTICATE, HeaderValue::from_static(bearer));
        let basic = HeaderValue::from_static("Basic realm=\"genomdb\", charset=\"UTF-8\"");
        headers.append(header::WWW_AUTHENTICATE, basic);
        response
    }

    /// An answer of gRPC without messages: its status stands in the head.
    fn grpc_answer(&self) -> Response {
        const UNAVAILABLE: u16 = 14;
        const UNAUTHENTICATED: u16 = 16;
        let status = if matches!(self, Self::Store(_)) { UNAVAILABLE } else { UNAUTHENTICATED };
        // The words are ours; those of them that a header cannot carry are left to its number.
        let words: String = self.to_string().replace('…', "...");
        let mut response = Response::new(axum::body::Body::empty());
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from(status));
        if let Ok(words) = HeaderValue::from_str(&words) {
            headers.insert("grpc-message", words);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_both_schemes_and_nowhere_else() {
        let token = Token::random().unwrap();
        let text = token.reveal();
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
        let found = |value: &str| {
            let token = token_of(&HeaderValue::from_str(value).unwrap());
            token.map(|token| token.reveal().to_owned()).map_err(|refused| refused.to_string())
        };
        for value in [format!("Bearer {text}"), format!("bEARER  {text} "), basic(&format!("who:{text}"))] {
            assert_eq!(found(&value).as_deref(), Ok(text), "{value}");
        }
        let (malformed, unknown) = (Refused::Malformed.to_string(), Refused::Unknown.to_string());
        for (value, expected) in [
            (text.to_owned(), &malformed),
            (format!("Digest {text}"), &malformed),
            ("Basic ===".to_owned(), &malformed),
            (basic(text), &malformed),
            ("Bearer gdb_0".to_owned(), &unknown),
            (format!("Bearer {text} {text}"), &unknown),
            (basic(&format!("{text}:")), &unknown),
        ] {
            assert_eq!(found(&value), Err(expected.clone()), "{value}");
        }
    }
}
