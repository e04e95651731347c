//! A service that asks another one over SOAP, tested without it: an answer, a fault, a message that is refused here.
//!
//! features: soap
//! beside: tokio
//!
//! ```text
//! the sum is 3
//! Client: InvalidArgument, NotApplied: no such operation
//! refused: InvalidArgument, NotSent
//! ```

use external_api::external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method};
use external_api::soap::{Element, SoapClient, SoapFault, SoapRequest};
use external_api::Result;

const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

#[tokio::main]
async fn main() -> Result<()> {
    let double = MemoryHttp::new().with_route(Method::POST, "/math", |request| {
        let (status, body) = match request.header("soapaction") {
            Some("\"urn:math/Add\"") => (200, "<AddResponse xmlns='urn:math'><sum>3</sum></AddResponse>"),
            _ => (
                500,
                "<e:Fault><faultcode>e:Client</faultcode><faultstring>no such operation</faultstring></e:Fault>",
            ),
        };
        let body = format!("<e:Envelope xmlns:e='{ENVELOPE}'><e:Body>{body}</e:Body></e:Envelope>");
        MemoryAnswer::new(status).with_header("content-type", "text/xml").with_body(body)
    });
    let math = SoapClient::over(HttpClient::over(double), "/math")?;

    let add = Element::new("urn:math", "Add").with_field("a", "1").with_field("b", "2");
    let answer = math.send(&SoapRequest::new(add).with_action("urn:math/Add")).await?;
    println!("the sum is {}", answer.body()?.required("sum")?.parse::<i32>()?);

    let unknown = SoapRequest::new(Element::new("urn:math", "Divide"));
    let error = math.send(&unknown).await.expect_err("nobody divides");
    let reason = SoapFault::of(&error).map(SoapFault::reason).unwrap_or_default();
    let code = error.vendor_code().unwrap_or_default();
    println!("{code}: {:?}, {:?}: {reason}", error.kind(), error.effect());

    let nonsense = SoapRequest::new(Element::new("urn:math", "no name"));
    let error = math.send(&nonsense).await.expect_err("XML has no such name");
    println!("refused: {:?}, {:?}", error.kind(), error.effect());
    Ok(())
}
