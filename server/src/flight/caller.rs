//! Who calls, and to which session the call belongs.
//!
//! A session is found by the cookie `arrow_flight_session_id`, or else by the bearer token. A client with
//! neither gets a cookie with its first answer; if it sends that back, it has a session from then on.

use tonic::{Request, Response, Status, metadata::MetadataMap};

use super::sessions::{Key, Sessions};
use crate::{Principal, random};

/// The cookie that names a session.
const COOKIE: &str = "arrow_flight_session_id";

/// Who calls.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) principal: Principal,
    /// The session that it names; it need not exist.
    pub(super) session: Option<Key>,
    /// What the cookie of the answer says.
    cookie: Option<String>,
}

impl Caller {
    /// Reads who calls from what was found out about the connection, and from the metadata of the call.
    pub(super) fn of<T>(request: &Request<T>, sessions: &Sessions) -> Result<Self, Status> {
        let principal = request.extensions().get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| Status::unauthenticated("the call says not who makes it"))?;
        let metadata = request.metadata();
        let session = match (cookie(metadata), bearer(metadata)) {
            (Some(id), _) => Some(sessions.key(&principal, COOKIE, id)),
            (None, Some(token)) => Some(sessions.key(&principal, "bearer", token)),
            (None, None) => None,
        };
        let cookie = session.is_none().then(|| format!("{COOKIE}={}", random_name()));
        Ok(Self { principal, session, cookie })
    }

    /// The session of this call: the one that it names, or the one that its answer will name.
    pub(super) fn session_to_keep(&self, sessions: &Sessions) -> Option<Key> {
        let offered = || {
            let (_, id) = self.cookie.as_ref()?.split_once('=')?;
            Some(sessions.key(&self.principal, COOKIE, id))
        };
        self.session.or_else(offered)
    }

    /// Says in the answer that the session is over.
    pub(super) fn forget_session(&mut self) {
        self.cookie = Some(format!("{COOKIE}=; Max-Age=0"));
    }

    /// Makes an answer.
    pub(super) fn answer<T>(&self, message: T) -> Response<T> {
        let mut response = Response::new(message);
        if let Some(cookie) = self.cookie.as_ref().and_then(|cookie| cookie.parse().ok()) {
            response.metadata_mut().insert("set-cookie", cookie);
        }
        response
    }
}

/// A name that nobody else has: 32 hexadecimal digits.
pub(super) fn random_name() -> String {
    format!("{:016x}{:016x}", random::number(), random::number())
}

/// What stands behind `Bearer` in the authorization.
pub(super) fn bearer(metadata: &MetadataMap) -> Option<&str> {
    scheme(metadata, "bearer")
}

/// What stands behind the name of an authorization scheme.
pub(super) fn scheme<'m>(metadata: &'m MetadataMap, wanted: &str) -> Option<&'m str> {
    let mut values = metadata.get_all("authorization").iter().filter_map(|value| value.to_str().ok());
    values.find_map(|value| {
        let (scheme, rest) = value.trim().split_once(' ')?;
        scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
    })
}

fn cookie(metadata: &MetadataMap) -> Option<&str> {
    let lines = metadata.get_all("cookie").iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let (_, id) = pairs.find(|(name, _)| *name == COOKIE)?;
    // Some clients put what was set between quotes.
    Some(id.trim_matches('"')).filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(name: &'static str, value: &str) -> MetadataMap {
        let mut metadata = MetadataMap::new();
        metadata.insert(name, value.parse().unwrap());
        metadata
    }

    #[test]
    fn a_cookie_among_others_is_found() {
        let check = |line, expected| assert_eq!(cookie(&metadata("cookie", line)), expected, "{line}");
        check("arrow_flight_session_id=7", Some("7"));
        check("a=1; arrow_flight_session_id=\"7\"; b=2", Some("7"));
        check("arrow_flight_session_id=", None);
        check("arrow_flight_session=7", None);
    }

    #[test]
    fn a_token_is_what_stands_behind_bearer() {
        let check = |line, expected| assert_eq!(bearer(&metadata("authorization", line)), expected, "{line}");
        check("Bearer 7", Some("7"));
        check("bearer  7 ", Some("7"));
        check("Basic 7", None);
        check("Bearer", None);
    }
}
