//! Bytes in JSON: a string where they are UTF-8, and Base64 where they are not.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr,
        schema::{AdditionalProperties, ObjectBuilder, OneOfBuilder, Schema, Type},
    },
};

/// Any bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JsonBytes(pub(super) Vec<u8>);

/// How they are written if they are no text.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Either {
    Text(String),
    Encoded(Encoded),
}

impl Serialize for JsonBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => Encoded { base64: BASE64_STANDARD.encode(&self.0) }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for JsonBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let either = Either::deserialize(deserializer)
            .map_err(|_| D::Error::custom("bytes are a string, or {\"base64\": \"…\"}"))?;
        match either {
            Either::Text(text) => Ok(Self(text.into_bytes())),
            Either::Encoded(Encoded { base64 }) => BASE64_STANDARD
                .decode(base64)
                .map(Self)
                .map_err(|error| D::Error::custom(format!("not Base64: {error}"))),
        }
    }
}

impl PartialSchema for JsonBytes {
    fn schema() -> RefOr<Schema> {
        let string = |what: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(what));
        let encoded = ObjectBuilder::new()
            .property("base64", string("Any bytes, in Base64.").content_encoding("base64"))
            .required("base64")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)));
        let one_of = OneOfBuilder::new().item(string("The bytes as UTF-8.")).item(encoded);
        RefOr::T(one_of.description(Some("Any bytes: a string where they are UTF-8.")).build().into())
    }
}

impl ToSchema for JsonBytes {
    fn name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back() {
        for (bytes, json) in
            [(&b"a\"\0"[..], r#""a\"\u0000""#), (b"", r#""""#), (b"\xFF\0", r#"{"base64":"/wA="}"#)]
        {
            let value = JsonBytes(bytes.to_vec());
            assert_eq!(serde_json::to_string(&value).unwrap(), json);
            assert_eq!(serde_json::from_str::<JsonBytes>(json).unwrap(), value);
        }
        assert_eq!(serde_json::from_str::<JsonBytes>(r#"{"base64":"YQ=="}"#).unwrap().0, b"a");
        for wrong in [r#"{"base64":"!"}"#, "1", "null", r#"{"base64":"","x":1}"#, "[1]"] {
            assert!(serde_json::from_str::<JsonBytes>(wrong).is_err(), "{wrong}");
        }
    }
}
