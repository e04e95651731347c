//! Requests of a clause, and what the origin saw of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use external_core::http::{HttpRequest, HttpResponse};
use external_core::{Error, Result};
use serde::{Deserialize, Serialize};

use super::S;
use crate::{Case, Finding};

/// A transport, under a name of its own at the origin.
pub(super) struct Web<'a> {
    case: &'a Case<S>,
    service: &'a S,
}

impl<'a> Web<'a> {
    pub(super) fn of(case: &'a Case<S>, service: &'a S) -> Self {
        Self { case, service }
    }

    /// A `GET` to where the origin tells what it saw.
    pub(super) fn echo(&self, rest: &str) -> Result<HttpRequest> {
        HttpRequest::get(&format!("/echo/{}", self.case.name(rest)))
    }

    /// A `GET` to where the origin answers as the query says: see [`answer`](super::answer).
    pub(super) fn scripted(&self, script: &[(&str, &str)]) -> Result<HttpRequest> {
        let mut request = HttpRequest::get(&format!("/answer/{}", self.case.name("script")))?;
        for (name, value) in script {
            request.url = request.url.with_query(name, value);
        }
        Ok(request)
    }

    pub(super) async fn send(&self, request: &HttpRequest) -> Result<HttpResponse> {
        self.service.execute(&self.case.cx(), request).await
    }

    /// What the origin saw of a request.
    pub(super) async fn seen(&self, request: &HttpRequest) -> Result<Seen, Finding> {
        let answer = self.send(request).await?;
        Ok(Seen::read(&answer.bytes().await?)?)
    }
}

/// A request as the origin saw it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    /// Names in lower case, in the order of the fields; values as text.
    pub(super) headers: Vec<(String, String)>,
    #[serde(with = "as_base64")]
    pub(super) body: Vec<u8>,
}

impl Seen {
    pub(super) fn read(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|_| Error::corrupt("not what the origin says"))
    }

    /// The values of the header fields of this name.
    pub(super) fn values(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

mod as_base64 {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Engine, STANDARD};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
