//! Operations of a description, called by name with plain values.

mod decode;
mod encode;
mod place;
mod scalar;
mod shape;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use external_core::{Error, Repeat, Result};
use external_http::{HttpClient, HttpUrl};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::place::Place;
use super::client::SoapClient;
use super::request::{SoapAnswer, SoapRequest};
use super::wsdl::{Operation, Wsdl, WsdlPort};

/// A port of a [`Wsdl`], whose operations are called by name. Cloning is cheap.
///
/// What is sent is checked against the types of the description before it leaves, and an error names the operation, the
/// element, and what was expected there. What is answered is read by the same types, whatever the order of its elements.
///
/// How XML and JSON go together:
///
/// | XML | JSON |
/// |---|---|
/// | an element with elements | an object, by their local names |
/// | an element that may stand several times | an array |
/// | an attribute | `"@name"` |
/// | the text of an element that has attributes, or text between elements | `"$text"` |
/// | `xsi:nil` | `null` |
/// | `xsi:type` | `"@xsi:type"`, the local name of a type that is derived from the declared one; `"{namespace}name"` where several have it |
/// | a group that may stand several times | `"$items"`, an array of objects |
/// | whatever a schema lets stand there (`any`) | `"$any"`, an array of XML texts |
/// | integers, `float`, `double`, `boolean` | numbers, booleans; what no number holds (`INF`, 30 digits): text |
/// | everything else, `decimal` included | text |
///
/// ```
/// use external_api::external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method};
/// use external_api::soap::{SoapService, Wsdl};
/// use serde_json::{Value, json};
///
/// # const WSDL: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
/// # xmlns:t="urn:math" targetNamespace="urn:math"><types><schema xmlns="http://www.w3.org/2001/XMLSchema"
/// # targetNamespace="urn:math" elementFormDefault="qualified">
/// # <element name="Add"><complexType><sequence><element name="a" type="int"/><element name="b" type="int"/></sequence></complexType></element>
/// # <element name="AddResponse"><complexType><sequence><element name="sum" type="int"/></sequence></complexType></element></schema></types>
/// # <message name="In"><part name="p" element="t:Add"/></message><message name="Out"><part name="p" element="t:AddResponse"/></message>
/// # <portType name="P"><operation name="Add"><input message="t:In"/><output message="t:Out"/></operation></portType>
/// # <binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><operation name="Add">
/// # <s:operation soapAction="urn:math/Add"/><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation></binding>
/// # <service name="S"><port name="Math" binding="t:B"><s:address location="https://math.example.org/soap"/></port></service></definitions>"#;
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// # let answer = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><AddResponse xmlns="urn:math"><sum>3</sum></AddResponse></e:Body></e:Envelope>"#;
/// # let http = HttpClient::over(MemoryHttp::new().with_route(Method::GET, "/soap", |_| MemoryAnswer::new(200).with_body(WSDL))
/// #     .with_fallback(move |_| MemoryAnswer::new(200).with_header("content-type", "text/xml").with_body(answer)));
/// // `http` is any HttpClient.
/// let wsdl = Wsdl::load(&http, "https://math.example.org/soap?wsdl").await?;
/// let math = SoapService::over(http, &wsdl)?;
/// let answer: Value = math.call("Add", json!({"a": 1, "b": 2})).await?;
/// assert_eq!(answer, json!({"sum": 3}));
///
/// let error = math.call::<Value>("Add", json!({"a": 1, "b": "two"})).await.unwrap_err();
/// assert_eq!(error.message(), "Add/b: expected xs:int, and there is a text that is none");
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SoapService {
    client: SoapClient,
    wsdl: Wsdl,
    port: String,
    repeats: Arc<BTreeMap<String, Repeat>>,
}

impl SoapService {
    /// The first port over SOAP, where the description says that it is.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if there is none; `Configuration` if the description was fetched and names an endpoint at another
    /// origin than its own: who wants messages to go there says so with [`of`](Self::of).
    pub fn over(http: HttpClient, wsdl: &Wsdl) -> Result<Self> {
        let port = wsdl.port(None)?;
        let endpoint = HttpUrl::parse(port.endpoint())
            .map_err(|_| Error::configuration("the description names an endpoint that is no HTTP URL"))?;
        if wsdl.origin().is_some_and(|origin| !endpoint.has_origin_of(origin)) {
            let why = "the description names an endpoint at another origin than its own";
            return Err(Error::configuration(why).with_context("endpoint", &endpoint));
        }
        let client = SoapClient::over(http, port.endpoint())?;
        Self::of(client, wsdl, port.name())
    }

    /// The port of that name, asked over this client: at its endpoint, whatever the description says of one.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, naming the ports there are.
    pub fn of(client: SoapClient, wsdl: &Wsdl, port: &str) -> Result<Self> {
        let port = wsdl.port(Some(port))?;
        Ok(Self {
            client: client.with_version(port.version()),
            wsdl: wsdl.clone(),
            port: port.name().to_owned(),
            repeats: Arc::default(),
        })
    }

    /// The same service over a client that was changed: given a WS-Security header, say.
    #[must_use]
    pub fn with_client(mut self, change: impl FnOnce(SoapClient) -> SoapClient) -> Self {
        self.client = change(self.client);
        self
    }

    /// Says what repeating an operation would do: one that only reads is [`Safe`](Repeat::Safe). WSDL cannot say it, and
    /// without it nothing is repeated that may have taken effect.
    #[must_use]
    pub fn with_repeat(mut self, operation: impl Into<String>, repeat: Repeat) -> Self {
        Arc::make_mut(&mut self.repeats).insert(operation.into(), repeat);
        self
    }

    /// The client that it asks over.
    #[must_use]
    pub fn client(&self) -> &SoapClient {
        &self.client
    }

    /// The names of the operations.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.port().into_iter().flat_map(WsdlPort::operations)
    }

    /// Calls an operation, and reads the answer as `R`: a [`Value`], or a type of one's own.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, before anything is sent, for what the description does not let through; `Unsupported` for a message
    /// in a style that is not understood; `Corrupt` for an answer that its types do not describe, or that is no `R`; else as
    /// [`SoapClient::send`].
    pub async fn call<R: DeserializeOwned>(&self, operation: &str, arguments: impl Serialize) -> Result<R> {
        let answer = self.client.send(&self.request(operation, arguments)?).await?;
        self.read(operation, &answer)
    }

    /// The message that calls an operation, for callers who add to it: header blocks, a timeout. Its call record bears the
    /// operation's name as the pair `operation`.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn request(&self, operation: &str, arguments: impl Serialize) -> Result<SoapRequest> {
        let declared = self.operation(operation)?;
        let value = serde_json::to_value(arguments)
            .map_err(|_| Error::invalid_argument("arguments that JSON cannot say"))?;
        let body = encode::body(self.wsdl.types(), &declared.input, &value, &Place::root(operation))?;
        let mut request = SoapRequest::of(body).with_metadata("operation", operation);
        request.action.clone_from(&declared.action);
        request.repeat = self.repeats.get(operation).copied().unwrap_or(Repeat::Once);
        Ok(request)
    }

    /// Reads the answer to an operation.
    ///
    /// # Errors
    ///
    /// As [`call`](Self::call).
    pub fn read<R: DeserializeOwned>(&self, operation: &str, answer: &SoapAnswer) -> Result<R> {
        let declared = self.operation(operation)?;
        let value = match &declared.output {
            None => Value::Null,
            Some(output) => decode::body(self.wsdl.types(), output, &answer.body, &Place::root(operation))?,
        };
        // What serde says may show what it found.
        serde_json::from_value(value).map_err(|error| {
            Error::corrupt("the answer is not what the caller takes it for")
                .with_context("operation", operation)
                .with_context("category", format!("{:?}", error.classify()))
        })
    }

    fn operation(&self, name: &str) -> Result<&Operation> {
        self.wsdl.port(Some(&self.port))?.operation(name)
    }

    fn port(&self) -> Option<&WsdlPort> {
        self.wsdl.port(Some(&self.port)).ok()
    }
}

impl fmt::Debug for SoapService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapService")
            .field("client", &self.client)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}
