//! Descriptions: read, fetched from where they may come, and refused.

use std::path::PathBuf;

use external_api::external_http::external_core::{
    CallContext, Capabilities, Provider, ProviderInfo, async_trait,
};
use external_api::external_http::{
    BearerAuth, HttpClient, HttpRequest, HttpResponse, HttpTransport, MemoryAnswer, MemoryHttp, Method,
};
use external_api::soap::{SoapClient, SoapService, SoapVersion, Wsdl, WsdlLoader};
use external_api::{Effect, ErrorKind, Result, Secret};
use external_simulator::{HttpAnswer, HttpQuestion};

use super::service::both;

/// A file of `tests/soap/fixtures/wsdl`.
pub(crate) fn file(name: &str) -> Option<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/soap/fixtures/wsdl");
    std::fs::read(folder.join(name)).ok()
}

/// A description of these files; those of schemas stand in a folder of their own.
pub(crate) fn wsdl(name: &str) -> Wsdl {
    let imported = |location: &str| file(location).or_else(|| file(&format!("schemas/{location}")));
    Wsdl::parse_with(file(name).unwrap(), imported).unwrap()
}

fn files(question: &HttpQuestion) -> HttpAnswer {
    match file(question.path().trim_start_matches("/descriptions/")) {
        Some(document) => HttpAnswer::new(200).with_header("content-type", "text/xml").with_body(document),
        None => HttpAnswer::new(404),
    }
}

#[test]
fn ports_and_operations_are_those_of_the_description() {
    let calculator = wsdl("calculator.wsdl");
    let told: Vec<_> = calculator
        .ports()
        .iter()
        .map(|port| (port.service(), port.name(), port.version(), port.operations().collect::<Vec<_>>()))
        .collect();
    let operations = || vec!["Add", "Reset"];
    assert_eq!(
        told,
        [
            ("Calculator", "CalculatorSoap", SoapVersion::V1_1, operations()),
            ("Calculator", "CalculatorSoap12", SoapVersion::V1_2, operations()),
        ]
    );
    let orders = wsdl("orders.wsdl");
    assert_eq!(orders.port(None).unwrap().endpoint(), "http://orders.test/soap");
    let error = orders.port(Some("x")).unwrap_err();
    assert_eq!((error.kind(), error.context_value("ports")), (ErrorKind::InvalidArgument, Some("Orders")));
}

#[tokio::test]
async fn a_description_is_fetched_with_all_it_imports_each_once() {
    for service in both(files).await {
        let wsdl = Wsdl::load(&service.http, "/descriptions/orders.wsdl").await.unwrap();
        assert_eq!(wsdl.ports()[0].operations().count(), 4);
        let mut asked: Vec<_> = service.asked().iter().map(|question| question.path().to_owned()).collect();
        asked.sort();
        assert_eq!(
            asked,
            [
                "/descriptions/messages.wsdl",
                "/descriptions/orders.wsdl",
                "/descriptions/schemas/common.xsd",
                "/descriptions/schemas/orders.xsd",
                "/descriptions/schemas/people.xsd",
            ]
        );
    }
}

fn importing(location: &str) -> String {
    format!(
        "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'><import namespace='urn:x' location='{location}'/></definitions>"
    )
}

/// A server of the public network that describes itself by `document`, and whatever else there is.
fn public(document: String) -> HttpClient {
    let schema = "<schema xmlns='http://www.w3.org/2001/XMLSchema'/>";
    HttpClient::over(
        MemoryHttp::new()
            .with_route(Method::GET, "/wsdl", move |_| MemoryAnswer::new(200).with_body(document.clone()))
            .with_fallback(move |_| MemoryAnswer::new(200).with_body(schema)),
    )
}

fn asked(http: &HttpClient) -> usize {
    http.provider::<MemoryHttp>().unwrap().received().len()
}

#[tokio::test]
async fn nobody_is_sent_to_private_addresses_files_or_strangers() {
    for location in [
        "http://127.0.0.1/x.xsd",
        "http://[::1]:8080/x.xsd",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.7/x",
        "http://localhost/x",
        "//metadata.internal/x",
        "http://2130706433/x",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://other.example/x.xsd",
        "https://public.example/x.xsd",
        "http://public.example:81/x.xsd",
        "http://user:pw@public.example/x.xsd",
    ] {
        let http = public(importing(location));
        let error = Wsdl::load(&http, "http://public.example/wsdl").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{location}");
        assert_eq!((error.effect(), asked(&http)), (Effect::NotSent, 1), "{location}");
    }
}

#[tokio::test]
async fn other_origins_are_for_who_allows_them_and_private_ones_for_nobody() {
    let loader = || WsdlLoader::new().with_origin("https://schemas.example").unwrap();
    let http = public(importing("https://schemas.example:443/x.xsd"));
    assert!(loader().load(&http, "http://public.example/wsdl").await.is_ok());
    let http = public(importing("http://10.0.0.1/x.xsd"));
    let loader = WsdlLoader::new().with_origin("http://10.0.0.1").unwrap();
    let error = loader.load(&http, "http://public.example/wsdl").await.unwrap_err();
    assert_eq!((error.kind(), asked(&http)), (ErrorKind::PermissionDenied, 1));
    assert!(WsdlLoader::new().with_origin("/schemas").is_err());
}

/// The double as a transport without a base.
#[derive(Debug)]
struct Baseless {
    info: ProviderInfo,
    double: MemoryHttp,
}

#[async_trait]
impl Provider for Baseless {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl HttpTransport for Baseless {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        self.double.execute(cx, request).await
    }
}

#[tokio::test]
async fn credentials_go_to_the_origin_of_the_description_alone() {
    let document = "<definitions xmlns='http://schemas.xmlsoap.org/wsdl/'>
        <import namespace='urn:x' location='https://schemas.example/x.xsd'/>
        <import namespace='urn:y' location='/y.xsd'/></definitions>";
    let double = MemoryHttp::new()
        .with_route(Method::GET, "/wsdl", move |_| MemoryAnswer::new(200).with_body(document))
        .with_fallback(|_| {
            MemoryAnswer::new(200).with_body("<schema xmlns='http://www.w3.org/2001/XMLSchema'/>")
        });
    let info = ProviderInfo::new("baseless", "http", "", Capabilities::new());
    let http = HttpClient::over(Baseless { info, double }).with_auth(BearerAuth::new(Secret::new("t0ken")));
    let loader = WsdlLoader::new().with_origin("https://schemas.example").unwrap();
    loader.load(&http, "https://public.example/wsdl").await.unwrap();
    let mut asked: Vec<String> = http
        .provider::<Baseless>()
        .unwrap()
        .double
        .received()
        .iter()
        .map(|request| format!("{} {:?}", request.url.expose(), request.header("authorization")))
        .collect();
    asked.sort();
    assert_eq!(
        asked,
        [
            "https://public.example/wsdl Some(\"Bearer t0ken\")",
            "https://public.example/y.xsd Some(\"Bearer t0ken\")",
            "https://schemas.example/x.xsd None",
        ]
    );
}

#[tokio::test]
async fn a_description_without_end_is_cut_off() {
    let endless = || {
        let next = std::sync::atomic::AtomicUsize::new(0);
        both(move |_| {
            let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            HttpAnswer::new(200).with_body(importing(&format!("next{number}.wsdl")))
        })
    };
    for service in endless().await {
        let loader = WsdlLoader::new().with_documents(10);
        let error = loader.load(&service.http, "/a.wsdl").await.unwrap_err();
        assert_eq!((error.kind(), service.asked().len()), (ErrorKind::PayloadTooLarge, 10));
    }
    for service in endless().await {
        let loader = WsdlLoader::new().with_bytes(500);
        let error = loader.load(&service.http, "/a.wsdl").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PayloadTooLarge);
        assert!(service.asked().len() < 6);
    }
}

#[tokio::test]
async fn what_is_no_description_is_told() {
    for (document, kind) in [
        ("<html/>".to_owned(), ErrorKind::Corrupt),
        ("not XML".to_owned(), ErrorKind::Corrupt),
        (
            "<!DOCTYPE a [<!ENTITY b 'c'>]><definitions xmlns='http://schemas.xmlsoap.org/wsdl/'/>"
                .to_owned(),
            ErrorKind::Corrupt,
        ),
        ("<a>".repeat(10_000), ErrorKind::Corrupt),
    ] {
        let error = Wsdl::load(&public(document), "http://public.example/wsdl").await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (kind, Effect::NotSent));
    }
    for service in both(|_| HttpAnswer::new(404)).await {
        let error = Wsdl::load(&service.http, "/wsdl").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
    let error = Wsdl::parse(file("orders.wsdl").unwrap()).unwrap_err();
    assert_eq!(
        (error.kind(), error.context_value("location")),
        (ErrorKind::InvalidArgument, Some("messages.wsdl"))
    );
}

#[test]
fn a_description_that_contradicts_itself_is_told_where() {
    let whole = String::from_utf8(file("calculator.wsdl").unwrap()).unwrap();
    for (from, to, names) in [
        ("binding=\"tns:CalculatorSoap12\"", "binding=\"tns:Nobody\"", "Nobody"),
        ("type=\"tns:CalculatorSoap\"", "type=\"tns:Nobody\"", "Nobody"),
        ("<wsdl:message name=\"AddSoapIn\">", "<wsdl:message name=\"Other\">", "AddSoapIn"),
        (
            "<wsdl:operation name=\"Reset\">\n      <wsdl:input",
            "<wsdl:operation name=\"Other\">\n      <wsdl:input",
            "Reset",
        ),
        ("message=\"tns:AddSoapIn\"", "message=\"nobody:AddSoapIn\"", "prefix"),
        ("minOccurs=\"1\"", "minOccurs=\"-1\"", "number"),
    ] {
        let broken = whole.replace(from, to);
        assert_ne!(broken, whole, "{from}");
        let error = Wsdl::parse(&broken).unwrap_err();
        assert!(error.kind() == ErrorKind::Corrupt && error.message().contains(names), "{to}: {error}");
    }
}

/// The calculator with these types, one of which is that of an argument.
fn with_types(types: &str, of: &str) -> Result<Wsdl> {
    let whole = String::from_utf8(file("calculator.wsdl").unwrap()).unwrap();
    let changed = whole
        .replace("<s:element name=\"Reset\">", &format!("{types}<s:element name=\"Reset\">"))
        .replace("name=\"intA\" type=\"s:int\"", &format!("name=\"intA\" type=\"{of}\""));
    Wsdl::parse(&changed)
}

#[test]
fn types_that_hold_themselves_or_grow_without_end_are_refused() {
    let laughs = |one: fn(usize, usize) -> String, last: &str| {
        (0..30).map(|at| one(at, at + 1)).collect::<String>() + last
    };
    let groups = laughs(
        |at, next| {
            format!(
                "<s:group name='G{at}'><s:sequence><s:group ref='tns:G{next}'/><s:group ref='tns:G{next}'/></s:sequence></s:group>"
            )
        },
        "<s:group name='G30'><s:sequence><s:element name='a'/></s:sequence></s:group>",
    );
    let attributes = laughs(
        |at, next| {
            format!(
                "<s:attributeGroup name='G{at}'><s:attributeGroup ref='tns:G{next}'/><s:attributeGroup ref='tns:G{next}'/></s:attributeGroup>"
            )
        },
        "<s:attributeGroup name='G30'><s:attribute name='a'/></s:attributeGroup>",
    );
    let unions = laughs(
        |at, next| {
            format!(
                "<s:simpleType name='G{at}'><s:union memberTypes='tns:G{next} tns:G{next}'/></s:simpleType>"
            )
        },
        "<s:simpleType name='G30'><s:restriction base='s:int'/></s:simpleType>",
    );
    let deep = format!(
        "<s:complexType name='R'>{}{}</s:complexType>",
        "<s:sequence>".repeat(50),
        "</s:sequence>".repeat(50)
    );
    for types in [
        "<s:simpleType name='R'><s:restriction base='tns:R'/></s:simpleType>",
        "<s:simpleType name='R'><s:union memberTypes='tns:R'/></s:simpleType>",
        "<s:simpleType name='R'><s:list itemType='tns:R'/></s:simpleType>",
        "<s:complexType name='R'><s:complexContent><s:extension base='tns:R'/></s:complexContent></s:complexType>",
        "<s:group name='G'><s:sequence><s:group ref='tns:G'/></s:sequence></s:group>",
        "<s:group name='G'><s:choice><s:group ref='tns:G' maxOccurs='2'/></s:choice></s:group>",
        "<s:attributeGroup name='G'><s:attributeGroup ref='tns:G'/></s:attributeGroup>",
        &groups,
        &attributes,
        &unions,
        &deep,
    ] {
        let error = with_types(types, "s:int").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{types}");
    }
}

#[test]
fn types_that_are_redefined_are_refused_by_that_name() {
    let redefined = |inside: &str| {
        let whole = String::from_utf8(file("calculator.wsdl").unwrap()).unwrap();
        let first = "<s:element name=\"Reset\">";
        let changed = format!("<s:redefine schemaLocation='p.xsd'>{inside}</s:redefine>{first}");
        let person = "<schema xmlns='http://www.w3.org/2001/XMLSchema'><complexType name='P'/></schema>";
        Wsdl::parse_with(whole.replace(first, &changed), |_| Some(person.as_bytes().to_vec()))
    };
    let more = "<s:complexType name='P'><s:complexContent><s:extension base='tns:P'/></s:complexContent></s:complexType>";
    let error = redefined(more).unwrap_err();
    let told = (error.kind(), error.effect(), error.context_value("capability"));
    assert_eq!(told, (ErrorKind::Unsupported, Effect::NotSent, Some("xs:redefine")));
    // One that changes nothing includes.
    for inside in ["", "<s:annotation/>"] {
        assert!(redefined(inside).is_ok(), "{inside}");
    }
}

#[test]
fn elements_may_hold_themselves_and_values_end() {
    let types = "<s:complexType name='R'><s:sequence><s:element name='r' type='tns:R' minOccurs='0'/></s:sequence></s:complexType>";
    let service = |types: &str, of: &str| {
        let client = SoapClient::over(HttpClient::over(MemoryHttp::new()), "/soap").unwrap();
        SoapService::of(client, &with_types(types, of).unwrap(), "CalculatorSoap").unwrap()
    };
    let deep =
        |levels: usize| (0..levels).fold(serde_json::json!({}), |inner, _| serde_json::json!({"r": inner}));
    let arguments = |value| serde_json::json!({"intA": value, "intB": 1});
    let nested = service(types, "tns:R");
    assert!(nested.request("Add", arguments(deep(20))).is_ok());
    assert!(nested.request("Add", arguments(deep(120))).unwrap_err().message().contains("deeper"));
    let missing = service("", "tns:Nobody").request("Add", arguments(deep(0))).unwrap_err();
    assert!(missing.message().contains("{http://calculator.test/}Nobody"), "{missing}");
}

#[tokio::test]
async fn messages_go_where_the_description_says_only_within_its_origin() {
    let calculator = || String::from_utf8(file("calculator.wsdl").unwrap()).unwrap();
    let http = public(calculator());
    let wsdl = Wsdl::load(&http, "http://public.example/wsdl").await.unwrap();
    let error = SoapService::over(http.clone(), &wsdl).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(error.context_value("endpoint"), Some("http://calculator.test"));
    // Who knows better says so.
    let client = SoapClient::over(http, "http://calculator.test/soap").unwrap();
    assert!(SoapService::of(client, &wsdl, "CalculatorSoap12").is_ok());

    let http = public(calculator());
    let wsdl = Wsdl::load(&http, "http://calculator.test/wsdl").await.unwrap();
    assert!(SoapService::over(http, &wsdl).is_ok());
}
