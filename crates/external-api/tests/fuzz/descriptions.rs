//! Descriptions: read or refused, and whatever was read takes calls without falling.

use std::fs;

use external_api::external_http::{HttpClient, MemoryHttp};
use external_api::soap::{SoapClient, SoapService, Wsdl};
use external_contract::fuzz::Fuzz;
use serde_json::json;

#[test]
fn descriptions() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/soap/fixtures/wsdl");
    let [calculator, rates] =
        ["calculator.wsdl", "rpc.wsdl"].map(|name| fs::read(format!("{folder}/{name}")).unwrap());
    // What stands between quotes is a name: one in the place of another.
    let text = String::from_utf8([calculator.clone(), rates.clone()].concat()).unwrap();
    let names = text.split('"').skip(1).step_by(2);
    let words: Vec<String> =
        names.map(|name| format!("\"{name}\"")).chain(["<sequence>".to_owned(), "</".to_owned()]).collect();
    Fuzz::of("descriptions")
        .with_words(&words)
        .with_example(calculator)
        .with_example(rates)
        .with_cases(5_000)
        .run(|input| {
            let Ok(wsdl) = Wsdl::parse(input) else { return };
            for port in wsdl.ports() {
                let client = SoapClient::over(HttpClient::over(MemoryHttp::new()), "/soap").unwrap();
                let service = SoapService::of(client, &wsdl, port.name()).unwrap();
                for operation in port.operations() {
                    for arguments in [
                        json!(null),
                        json!({"intA": 1, "intB": 2}),
                        json!({"pair": {"from": "A", "to": "B"}, "day": "2024-01-01"}),
                    ] {
                        if let Ok(request) = service.request(operation, arguments) {
                            request.body.iter().for_each(|element| drop(element.to_xml()));
                        }
                    }
                }
            }
        });
}
