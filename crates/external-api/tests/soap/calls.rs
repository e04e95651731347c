//! Operations called by name: what is sent, what is refused, what an answer says.

use std::sync::{Arc, Mutex};

use external_api::external_http::external_resilience::{CallObserver, CallRecord};
use external_api::external_http::{HttpClient, MemoryHttp, Repeat};
use external_api::soap::{Element, Name, Node, SoapClient, SoapService};
use external_api::{Effect, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::descriptions::{file, wsdl};
use super::service::{answer, both, envelope, field};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

fn service(description: &str, port: &str) -> SoapService {
    let client = SoapClient::over(HttpClient::over(MemoryHttp::new()), "/soap").unwrap();
    SoapService::of(client, &wsdl(description), port).unwrap()
}

/// The same element, whatever it was called by: white space between elements goes, and what a prefix means comes.
fn meaning(element: &Element) -> Element {
    let bare = Element::named(element.name().clone());
    let with_attributes = element.attributes().fold(bare, |bare, (name, value)| {
        let is_name = *name == Name::new(XSI, "type");
        let value = if is_name { element.resolve(value).unwrap().to_string() } else { value.to_owned() };
        bare.with_attribute_named(name.clone(), value)
    });
    let has_elements = element.children().next().is_some();
    element.nodes().iter().fold(with_attributes, |bare, node| match node {
        Node::Element(child) => bare.with_child(meaning(child)),
        Node::Text(_) if has_elements => bare,
        Node::Text(text) => bare.with_text(text),
    })
}

#[derive(Deserialize)]
struct Case {
    name: String,
    wsdl: String,
    port: String,
    operation: String,
    arguments: Value,
}

#[test]
fn what_is_sent_means_what_zeep_sends() {
    let cases: Vec<Case> = serde_json::from_slice(&file("../peer/cases.json").unwrap()).unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let theirs = Element::from_xml(file(&format!("../peer/{}.xml", case.name)).unwrap()).unwrap();
        let theirs: Vec<Element> = theirs.child("Body").unwrap().children().map(meaning).collect();
        let request = service(&case.wsdl, &case.port).request(&case.operation, &case.arguments).unwrap();
        let ours: Vec<Element> = request
            .body
            .iter()
            // As it arrives: written and read.
            .map(|element| meaning(&Element::from_xml(element.to_xml().unwrap()).unwrap()))
            .collect();
        let shown = |body: &[Element]| body.iter().map(|one| one.to_xml().unwrap()).collect::<String>();
        assert_eq!(ours, theirs, "{}:\n{}\n{}", case.name, shown(&ours), shown(&theirs));
    }
}

/// An order that the description lets through.
fn order() -> Value {
    json!({
        "@priority": 3, "id": "A-1", "customer": {"name": "A"}, "item": [{"sku": "x", "count": 2}],
        "card": "4111", "discount": null,
    })
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut order = order();
    change(&mut order);
    order
}

fn without(key: &str) -> Value {
    changed(|order| drop(order.as_object_mut().unwrap().remove(key)))
}

#[test]
fn what_the_description_does_not_let_through_is_told_by_place_and_by_what_was_expected() {
    let orders = service("orders.wsdl", "Orders");
    assert!(orders.request("Place", order()).is_ok());
    for (arguments, said) in [
        (json!([]), "Place: expected an object, and there is an array"),
        (json!("x"), "Place: expected an object"),
        (without("id"), "Place/id: it is required"),
        (without("@priority"), "Place/@priority: it is required"),
        (without("discount"), "Place/discount: it is required; null"),
        (without("card"), "Place: expected one of card, iban, bic"),
        (changed(|order| order["iban"] = json!("DE")), "Place: expected but one of card, iban, bic"),
        (changed(|order| order["bic"] = json!("X")), "Place: expected but one of"),
        (
            changed(|order| order["crad"] = json!("4111")),
            "Place/crad: nothing of that name is known here; known: id, customer, item, card",
        ),
        (changed(|order| order["@prio"] = json!(1)), "Place/@prio: nothing of that name"),
        (changed(|order| order["@priority"] = json!(6)), "Place/@priority: more than its type allows (5)"),
        (changed(|order| order["@priority"] = json!("x")), "Place/@priority: expected xs:int"),
        (changed(|order| order["id"] = json!("")), "Place/id: shorter than 1"),
        (changed(|order| order["id"] = json!("s3cret-s3cret-s3cret")), "Place/id: longer than 12"),
        (changed(|order| order["id"] = json!(null)), "Place/id: expected xs:string, and there is null"),
        (
            changed(|order| order["item"] = json!([])),
            "Place/item: expected 1 to any number of it, and there are 0",
        ),
        (
            changed(|order| order["item"][0]["count"] = json!(65536)),
            "Place/item/count: expected xs:unsignedShort",
        ),
        (changed(|order| order["item"][0]["sizes"] = json!("38")), "Place/item/sizes: expected a list"),
        (changed(|order| order["item"][0]["sizes"] = json!([1, "x"])), "Place/item/sizes: expected xs:int"),
        (
            changed(|order| order["note"] = json!([{"$text": "1"}, {"$text": "2"}, {"$text": "3"}])),
            "Place/note: expected 0 to 2",
        ),
        (changed(|order| order["note"] = json!({"@lang": "en"})), "Place/note: $text is required"),
        (changed(|order| order["due"] = json!("tomorrow")), "Place/due: expected xs:dateTime"),
        (changed(|order| order["payload"] = json!("s3cret!")), "Place/payload: expected xs:base64Binary"),
        (changed(|order| order["street"] = json!("S")), "Place/city: it is required"),
        (
            changed(|order| order["customer"]["friend"] = json!([{"name": 1, "x": 2}])),
            "Place/customer/friend/x: nothing of that name",
        ),
        (
            changed(|order| order["customer"]["@xsi:type"] = json!("Item")),
            "Place/customer: @xsi:type names no type that may stand here",
        ),
        (
            changed(|order| order["customer"]["@xsi:type"] = json!("Member")),
            "Place/customer/@number: it is required",
        ),
    ] {
        let error = orders.request("Place", &arguments).unwrap_err();
        assert!(error.message().starts_with(said), "{said}\n{error}");
        assert_eq!((error.kind(), error.effect()), (ErrorKind::InvalidArgument, Effect::NotSent));
        assert!(!error.report().to_string().contains("s3cret"));
    }
    let error = orders.request("Palce", order()).unwrap_err();
    assert!(error.message().contains("no operation Palce"), "{error}");
    assert_eq!(error.context_value("operations"), Some("Place, Forget, Status, Old"));
    assert_eq!(orders.request("Old", "A").unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(service("calculator.wsdl", "CalculatorSoap").request("Reset", ()).is_ok());
}

#[tokio::test]
async fn an_answer_is_read_by_its_types_whatever_its_order() {
    let placed = "<o:Placed xmlns:o='urn:orders' xmlns:x='http://www.w3.org/2001/XMLSchema-instance' xmlns:pp='urn:people'>
        <new xmlns='urn:later'>7</new>
        <o:log><o:paid>2024-01-01</o:paid><o:sent>2024-01-02</o:sent><o:sent>2024-01-03</o:sent></o:log>
        <o:parcel><o:gift>1</o:gift><o:count> 2 </o:count><o:sku>x</o:sku><o:sizes>38 40</o:sizes><o:fit>12</o:fit></o:parcel>
        <o:customer x:type='pp:Member' number='7'><since>2020-01-01</since><name>A</name></o:customer>
        <o:total>12.30</o:total><unqualified/><o:id>A-1</o:id></o:Placed>";
    for service in both(move |_| answer(placed)).await {
        let orders = SoapService::of(service.client(), &wsdl("orders.wsdl"), "Orders").unwrap();
        let mut said: Value = orders.call("Place", order()).await.unwrap();
        // What nobody declared is kept as it was.
        let Some(Value::Array(others)) = said.as_object_mut().unwrap().remove("$any") else {
            panic!("no others")
        };
        let others: Vec<Element> =
            others.iter().map(|xml| Element::from_xml(xml.as_str().unwrap()).unwrap()).collect();
        assert_eq!(
            others,
            [Element::new("urn:later", "new").with_text("7"), Element::new("", "unqualified")]
        );
        assert_eq!(
            said,
            json!({
                "id": "A-1", "total": "12.30",
                "customer": {"@xsi:type": "Member", "@number": 7, "name": "A", "since": "2020-01-01"},
                "parcel": [{"sku": "x", "count": 2, "sizes": [38, 40], "fit": 12, "gift": true}],
                "log": {"$items": [{"paid": "2024-01-01"}, {"sent": "2024-01-02"}, {"sent": "2024-01-03"}]},
            })
        );
        let asked = &service.asked()[0];
        assert_eq!(field(asked, "soapaction"), Some("\"\""));
    }
}

#[tokio::test]
async fn an_answer_that_its_types_do_not_describe_is_corrupt_and_says_where() {
    for (body, said) in [
        ("", "answer to Add: its body is empty"),
        ("<Other/>", "answer to Add: expected the element AddResponse"),
        (
            "<AddResponse><AddResult>s3cret</AddResult></AddResponse>",
            "answer to Add/AddResult: expected xs:int",
        ),
    ] {
        for service in both(move |_| answer(body)).await {
            let calculator =
                SoapService::of(service.client(), &wsdl("calculator.wsdl"), "CalculatorSoap").unwrap();
            let error = calculator.call::<Value>("Add", json!({"intA": 1, "intB": 2})).await.unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Corrupt, said));
            assert_eq!(error.effect(), Effect::MaybeApplied);
        }
    }
}

#[derive(Serialize)]
struct Add {
    #[serde(rename = "intA")]
    a: i32,
    #[serde(rename = "intB")]
    b: i32,
}

#[derive(Deserialize)]
struct Added {
    #[serde(rename = "AddResult")]
    sum: i32,
}

#[tokio::test]
async fn types_of_ones_own_stand_where_values_do() {
    let sum = "<r:AddResponse xmlns:r='http://calculator.test/'><r:AddResult>3</r:AddResult></r:AddResponse>";
    for version in ["CalculatorSoap", "CalculatorSoap12"] {
        for service in both(move |_| answer(sum)).await {
            let calculator = SoapService::of(service.client(), &wsdl("calculator.wsdl"), version).unwrap();
            let added: Added = calculator.call("Add", Add { a: 1, b: 2 }).await.unwrap();
            assert_eq!(added.sum, 3);
            let error = calculator.call::<String>("Add", Add { a: 1, b: 2 }).await.unwrap_err();
            assert_eq!((error.kind(), error.context_value("operation")), (ErrorKind::Corrupt, Some("Add")));
        }
    }
}

#[tokio::test]
async fn simple_messages_rpc_and_messages_without_an_answer() {
    let rate = "<c:RateResponse xmlns:c='urn:rates:calls'><rate>0.95</rate></c:RateResponse>";
    for service in both(move |_| answer(rate)).await {
        let rates = SoapService::of(service.client(), &wsdl("rpc.wsdl"), "Rates").unwrap();
        let pair = json!({"from": "EUR", "to": "CHF"});
        let said: Value = rates.call("Rate", json!({"pair": pair, "day": "2024-01-01"})).await.unwrap();
        assert_eq!(said, json!({"rate": 0.95}));
        let error = rates.request("Rate", json!({"pair": pair})).unwrap_err();
        assert_eq!(error.message(), "Rate/day: it is required");
        let error = rates.request("Rate", json!({"pair": pair, "day": "2024-01-01", "x": 1})).unwrap_err();
        assert!(error.message().starts_with("Rate/x: nothing of that name"));
    }
    for (body, said) in [
        ("<s:Status xmlns:s='urn:orders'>paid</s:Status>", json!("paid")),
        // A word that the description does not know yet.
        ("<s:Status xmlns:s='urn:orders'>lost</s:Status>", json!("lost")),
        (
            "<s:Status xmlns:s='urn:orders' xmlns:x='http://www.w3.org/2001/XMLSchema-instance' x:nil='true'/>",
            json!(null),
        ),
    ] {
        for service in both(move |_| answer(body)).await {
            let orders = SoapService::of(service.client(), &wsdl("orders.wsdl"), "Orders").unwrap();
            assert_eq!(orders.call::<Value>("Status", "A-1").await.unwrap(), said);
        }
    }
    for service in both(|_| external_simulator::HttpAnswer::new(202)).await {
        let orders = SoapService::of(service.client(), &wsdl("orders.wsdl"), "Orders").unwrap();
        orders.call::<()>("Forget", "A-1").await.unwrap();
    }
}

#[tokio::test]
async fn an_operation_is_repeated_only_where_somebody_says_that_it_may_be() {
    for (repeat, attempts) in [(None, 1), (Some(Repeat::Safe), 3)] {
        for service in both(|_| external_simulator::HttpAnswer::new(503)).await {
            let mut calculator =
                SoapService::of(service.client(), &wsdl("calculator.wsdl"), "CalculatorSoap").unwrap();
            if let Some(repeat) = repeat {
                calculator = calculator.with_repeat("Add", repeat);
            }
            calculator.call::<Value>("Add", json!({"intA": 1, "intB": 2})).await.unwrap_err();
            assert_eq!(service.asked().len(), attempts);
            calculator.call::<Value>("Reset", ()).await.unwrap_err();
            assert_eq!(service.asked().len(), 1);
        }
    }
}

/// The operations that call records name.
#[derive(Default)]
struct Named(Mutex<Vec<String>>);

impl CallObserver for Named {
    fn on_call(&self, record: &CallRecord<'_>) {
        let pairs = record.metadata.iter().map(|(name, value)| format!("{name}={value}"));
        self.0.lock().unwrap().extend(pairs);
    }
}

#[tokio::test]
async fn call_records_name_the_operation() {
    for service in both(|_| external_simulator::HttpAnswer::new(503)).await {
        let heard = Arc::new(Named::default());
        let client = service.client().with_observer(heard.clone());
        let calculator = SoapService::of(client, &wsdl("calculator.wsdl"), "CalculatorSoap").unwrap();
        calculator.call::<Value>("Add", json!({"intA": 1, "intB": 2})).await.unwrap_err();
        assert_eq!(*heard.0.lock().unwrap(), ["operation=Add"]);
    }
}

#[tokio::test]
async fn a_fault_of_an_operation_keeps_its_detail() {
    let fault = envelope(
        external_api::soap::SoapVersion::V1_1,
        "",
        "<e:Fault xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><faultcode>e:Server</faultcode>
         <detail><o:Refused xmlns:o='urn:orders'><o:why>no stock</o:why></o:Refused></detail></e:Fault>",
    );
    for service in both(move |_| super::service::xml(500, fault.clone())).await {
        let orders = SoapService::of(service.client(), &wsdl("orders.wsdl"), "Orders").unwrap();
        let error = orders.call::<Value>("Place", order()).await.unwrap_err();
        let fault = external_api::soap::SoapFault::of(&error).unwrap();
        let refused = fault.detail().unwrap().child_in("urn:orders", "Refused").unwrap();
        assert_eq!(refused.required("why").unwrap().text(), "no stock");
    }
}
