//! Which keys a scan or a watch is about.

use crate::{
    http::{parameters::Parameters, problem::Problem},
    kv::Span,
};

/// What `prefix`, or `from` and `to`, say; each also in Base64.
pub(super) fn choose(parameters: &mut Parameters) -> Result<Span, Problem> {
    let mut bytes = |name: &str| match (parameters.bytes(name), parameters.base64(&format!("{name}_base64"))?)
    {
        (Some(_), Some(_)) => Err(Problem::bad_request(format!("either `{name}` or `{name}_base64`"))),
        (plain, encoded) => Ok(plain.or(encoded)),
    };
    match (bytes("prefix")?, bytes("from")?, bytes("to")?) {
        (Some(prefix), None, None) => Ok(Span::Prefix(prefix)),
        (None, None, None) => Ok(Span::Prefix(Vec::new())),
        (None, from, to) => Ok(Span::Between { from: from.unwrap_or_default(), to }),
        (Some(_), _, _) => Err(Problem::bad_request("either `prefix`, or `from` and `to`")),
    }
}
