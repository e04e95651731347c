//! Files in the place of variables, by the GraphQL multipart request specification: streamed, and sent anew by each attempt.
//!
//! <https://github.com/jaydenseric/graphql-multipart-request-spec>

use std::fmt;

use external_core::http::HttpBody;
use external_core::{BuildContext, Error, Result};
use serde_json::{Map, Value, json};

use super::GraphqlRequest;
use crate::multipart::{Multipart, Part};

/// The longest list that a path makes room in: a path is not written by strangers, but a slip should cost no memory.
const LONGEST_LIST: usize = 1000;

/// A file to be sent with a mutation.
///
/// ```
/// use external_api::graphql::{GraphqlRequest, Upload};
///
/// let request = GraphqlRequest::new("mutation ($file: Upload!) { keep(file: $file) { id } }")
///     .with_upload("file", Upload::new("notes.txt", "three words here").with_content_type("text/plain"))?;
/// # Ok::<(), external_api::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Upload {
    /// The name that the server is told.
    pub file_name: String,
    /// What the file is. Default `application/octet-stream`.
    pub content_type: String,
    /// The bytes: in memory, a file (`FileBody`), or made by a function.
    pub content: HttpBody,
}

impl Upload {
    /// A file of this name.
    #[must_use]
    pub fn new(file_name: impl Into<String>, content: impl Into<HttpBody>) -> Self {
        Self {
            file_name: file_name.into(),
            content_type: "application/octet-stream".to_owned(),
            content: content.into(),
        }
    }

    /// Says what the file is.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("content", &self.content).finish_non_exhaustive()
    }
}

/// The value at a path, made where there is none yet.
pub(super) fn place_for<'a>(variables: &'a mut Map<String, Value>, path: &str) -> Result<&'a mut Value> {
    let wrong = |why| Error::invalid_argument(why).with_context("path", path);
    let mut steps = path.split('.');
    let first =
        steps.next().filter(|first| !first.is_empty()).ok_or_else(|| wrong("a path without a variable"))?;
    let mut here = variables.entry(first).or_insert(Value::Null);
    for step in steps {
        let index = step.parse::<usize>();
        if here.is_null() {
            *here = if index.is_ok() { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
        }
        here = match (here, index) {
            (Value::Array(list), Ok(index)) if index < LONGEST_LIST => {
                if list.len() <= index {
                    list.resize(index + 1, Value::Null);
                }
                &mut list[index]
            }
            (Value::Object(fields), _) if !step.is_empty() => fields.entry(step).or_insert(Value::Null),
            _ => return Err(wrong("a path that leads through something other than objects and lists")),
        };
    }
    Ok(here)
}

/// The media type of a request with files, and its body.
pub(super) fn form(request: &GraphqlRequest, context: &BuildContext) -> Result<(String, HttpBody)> {
    let operations = request.parameters(true, &request.extensions)?;
    let map: Map<String, Value> = (0..)
        .zip(&request.uploads)
        .map(|(at, (path, _)): (u32, _)| (at.to_string(), json!([format!("variables.{path}")])))
        .collect();
    let fields = Multipart::new()
        .with_context(context)
        .with_text("operations", operations)
        .with_text("map", Value::Object(map).to_string());
    let files = request.uploads.iter().enumerate().map(|(at, (_, upload))| {
        let Upload { file_name, content_type, content } = upload;
        Part::new(at.to_string(), content.clone()).with_file_name(file_name).with_content_type(content_type)
    });
    files.fold(fields, Multipart::with_part).into_body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_makes_what_it_leads_through() {
        let mut variables = Map::new();
        for path in ["file", "input.files.1", "input.name"] {
            place_for(&mut variables, path).unwrap();
        }
        assert_eq!(
            Value::Object(variables.clone()),
            json!({"file": null, "input": {"files": [null, null], "name": null}})
        );
        *place_for(&mut variables, "input.name").unwrap() = json!("text");
        for wrong in ["", "input.name.x", "input.files.x", "input.", "input.files.100000"] {
            assert!(place_for(&mut variables, wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_form_is_what_the_specification_shows() {
        let context = BuildContext::new().with_random(|buffer| buffer.fill(7));
        let request = GraphqlRequest::new("mutation ($file: Upload!) { keep(file: $file) { id } }")
            .with_upload("file", Upload::new("a \"b\"\r\n.txt", "Alpha").with_content_type("text/plain"))
            .unwrap();
        let (content_type, body) = form(&request, &context).unwrap();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = [
            "--B\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n",
            r#"{"query":"mutation ($file: Upload!) { keep(file: $file) { id } }","variables":{"file":null}}"#,
            "\r\n--B\r\nContent-Disposition: form-data; name=\"map\"\r\n\r\n",
            r#"{"0":["variables.file"]}"#,
            "\r\n--B\r\nContent-Disposition: form-data; name=\"0\"; filename=\"a %22b%22%0D%0A.txt\"\r\n",
            "Content-Type: text/plain\r\n\r\nAlpha\r\n--B--\r\n",
        ];
        let expected = expected.concat().replace("--B", &format!("--{boundary}"));
        for _ in 0..2 {
            let sent = body.open().await.unwrap().collect(u64::MAX).await.unwrap();
            assert_eq!(sent, expected);
        }
        assert_eq!(body.length(), Some(expected.len() as u64));
    }

    #[test]
    fn a_media_type_breaks_no_line() {
        let upload = Upload::new("a", "b").with_content_type("text/plain\r\nX: y");
        let request = GraphqlRequest::new("m").with_upload("file", upload).unwrap();
        assert!(form(&request, &BuildContext::new()).is_err());
    }
}
