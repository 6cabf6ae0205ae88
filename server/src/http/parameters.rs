//! What the address says behind its `?`: bytes, none of them guessed, none unknown, none twice.

use std::{collections::BTreeMap, str::FromStr};

use axum::http::Uri;
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE_NO_PAD};
use percent_encoding::percent_decode;

use super::problem::Problem;

/// Parameters that were not looked at yet.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, Vec<u8>>);

impl Parameters {
    /// Reads them.
    pub(super) fn of(uri: &Uri) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = String::from_utf8(decode(&name.replace('+', " "))?);
            let name = name.map_err(|_| Problem::bad_request("the name of a parameter is not UTF-8"))?;
            let value = decode(&value.replace('+', " "))?;
            if parameters.insert(name.clone(), value).is_some() {
                return Err(Problem::bad_request(format!("`{name}` stands there twice")));
            }
        }
        Ok(Self(parameters))
    }

    /// Any bytes.
    pub(super) fn bytes(&mut self, name: &str) -> Option<Vec<u8>> {
        self.0.remove(name)
    }

    /// Bytes that are written in Base64, of the usual alphabet or of that for addresses.
    pub(super) fn base64(&mut self, name: &str) -> Result<Option<Vec<u8>>, Problem> {
        let Some(text) = self.bytes(name) else { return Ok(None) };
        // A plus sign means a space in an address, and none is in Base64.
        let text: Vec<u8> = text.into_iter().map(|byte| if byte == b' ' { b'+' } else { byte }).collect();
        let decoded = BASE64_STANDARD.decode(&text).or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(&text));
        decoded.map(Some).map_err(|_| Problem::bad_request(format!("`{name}` is not Base64")))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let text = self.bytes(name).map(String::from_utf8).transpose();
        text.map_err(|_| Problem::bad_request(format!("`{name}` is not UTF-8")))
    }

    /// A number of this type.
    pub(super) fn number<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let number = text.parse().map(Some);
        number.map_err(|_| Problem::bad_request(format!("`{name}` is no number that is meant here")))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::bad_request(format!("`{name}` is true or false"))),
        }
    }

    /// The names of those that were not looked at yet.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        match self.0.keys().next() {
            Some(name) => Err(Problem::bad_request(format!("`{name}` means nothing here"))),
            None => Ok(()),
        }
    }
}

/// The bytes that percent signs write; a percent sign without two digits is a mistake.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Problem> {
    let digits =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    if !text.split('%').skip(1).all(digits) {
        return Err(Problem::bad_request(
            "a percent sign of the address has two hexadecimal digits behind it",
        ));
    }
    Ok(percent_decode(text.as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Parameters, Problem> {
        Parameters::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn bytes_are_what_was_written() {
        let mut parameters = of("a=%FF%00b+c&n=12&yes=true&base=-_8&base2=%2B%2F8%3D&empty&c=%20").unwrap();
        assert_eq!(parameters.bytes("a"), Some(b"\xFF\0b c".to_vec()));
        assert_eq!(parameters.number::<u8>("n").ok(), Some(Some(12)));
        assert!(parameters.flag("yes").is_ok_and(|yes| yes));
        assert_eq!(parameters.base64("base").ok(), Some(Some(b"\xFB\xFF".to_vec())));
        assert_eq!(parameters.base64("base2").ok(), Some(Some(b"\xFB\xFF".to_vec())));
        assert_eq!(parameters.text("empty").ok(), Some(Some(String::new())));
        assert_eq!(parameters.bytes("absent"), None);
        assert!(parameters.finish().is_err(), "`c` was not asked for");
    }

    #[test]
    fn nothing_is_guessed() {
        for wrong in ["a=%", "a=%f", "a=%zz", "a=1&a=2", "%FF=1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert!(of("a=%FF").unwrap().text("a").is_err());
        assert!(of("a=256").unwrap().number::<u8>("a").is_err());
        assert!(of("a=yes").unwrap().flag("a").is_err());
        assert!(of("a=!").unwrap().base64("a").is_err());
    }
}
