//! Types of one name in two namespaces, where either may stand.

use external_api::HttpClient;
use external_api::external_http::MemoryHttp;
use external_api::soap::{Element, SoapClient, SoapService, Wsdl};
use serde_json::{Value, json};

use super::service::{answer, both};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

const ANIMALS: &str = r#"<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:a" xmlns:a="urn:a"
    xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <types>
    <xs:schema targetNamespace="urn:a">
      <xs:complexType name="Animal"><xs:sequence/></xs:complexType>
      <xs:complexType name="Cat"><xs:complexContent><xs:extension base="a:Animal"/></xs:complexContent></xs:complexType>
      <xs:complexType name="Dog"><xs:complexContent><xs:extension base="a:Animal"><xs:sequence>
        <xs:element name="age" type="xs:int"/>
      </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
      <xs:element name="Keep" type="a:Animal"/>
      <xs:element name="Kept" type="a:Animal"/>
    </xs:schema>
    <xs:schema targetNamespace="urn:b">
      <xs:complexType name="Dog"><xs:complexContent><xs:extension base="a:Animal"><xs:sequence>
        <xs:element name="age" type="xs:string"/>
      </xs:sequence></xs:extension></xs:complexContent></xs:complexType>
    </xs:schema>
  </types>
  <message name="In"><part name="p" element="a:Keep"/></message>
  <message name="Out"><part name="p" element="a:Kept"/></message>
  <portType name="P"><operation name="Keep"><input message="a:In"/><output message="a:Out"/></operation></portType>
  <binding name="B" type="a:P">
    <s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Keep">
      <s:operation soapAction="urn:a/Keep"/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output>
    </operation>
  </binding>
  <service name="S"><port name="Animals" binding="a:B"><s:address location="https://animals.test/soap"/></port></service>
</definitions>"#;

fn animals(client: SoapClient) -> SoapService {
    SoapService::of(client, &Wsdl::parse(ANIMALS).unwrap(), "Animals").unwrap()
}

#[test]
fn what_is_sent_says_which_of_several_types_it_is() {
    let animals = animals(SoapClient::over(HttpClient::over(MemoryHttp::new()), "/soap").unwrap());
    let sent = |animal: Value| -> external_api::Result<String> {
        let request = animals.request("Keep", animal)?;
        let element = Element::from_xml(request.body[0].to_xml().unwrap()).unwrap();
        let told = element.attribute_in(XSI, "type").unwrap();
        Ok(element.resolve(told).unwrap().to_string())
    };
    for (animal, expected) in [
        (json!({"@xsi:type": "Cat"}), "{urn:a}Cat"),
        (json!({"@xsi:type": "{urn:a}Cat"}), "{urn:a}Cat"),
        (json!({"@xsi:type": "{urn:a}Dog", "age": 7}), "{urn:a}Dog"),
        (json!({"@xsi:type": "{urn:b}Dog", "age": "old"}), "{urn:b}Dog"),
    ] {
        assert_eq!(sent(animal).unwrap(), expected);
    }
    for (told, why) in [
        ("Dog", "names several types that may stand here: {urn:a}Dog, {urn:b}Dog"),
        ("Bird", "names no type that may stand here"),
        ("{urn:c}Dog", "names no type that may stand here"),
        ("{urn:b}Cat", "names no type that may stand here"),
    ] {
        let error = sent(json!({"@xsi:type": told, "age": 7})).unwrap_err();
        assert_eq!(error.message(), format!("Keep: @xsi:type {why}"));
    }
}

#[tokio::test]
async fn what_is_answered_is_of_the_type_that_it_says_by_its_whole_name() {
    for (namespace, local, kind, age) in [
        ("urn:a", "Dog", json!("{urn:a}Dog"), json!(7)),
        ("urn:b", "Dog", json!("{urn:b}Dog"), json!("7")),
        // A wrong namespace, and but one type that may be meant; then two, of which none is.
        ("urn:c", "Cat", json!("Cat"), Value::Null),
        ("urn:c", "Dog", Value::Null, Value::Null),
    ] {
        let body = format!(
            "<a:Kept xmlns:a='urn:a' xmlns:p='{namespace}' xmlns:i='{XSI}' i:type='p:{local}'><age>7</age></a:Kept>"
        );
        for service in both(move |_| answer(&body)).await {
            let said: Value =
                animals(service.client()).call("Keep", json!({"@xsi:type": "Cat"})).await.unwrap();
            assert_eq!((&said["@xsi:type"], &said["age"]), (&kind, &age), "{namespace}");
        }
    }
}
