//! The kit, asked over sockets.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

use super::*;

/// A vendor that keeps names, and gives each up after an hour.
fn keeper(clock: &Clock) -> Simulated<Vec<String>> {
    Simulator::new(Vec::new(), clock)
        .with_guard(|_, question| match question.bearer() {
            Some("key") => Ok(()),
            _ => Err(HttpAnswer::new(401).into()),
        })
        .with_route(Method::POST, "/names/{name}", |names: &mut Vec<String>, call| {
            let name = call.parameter("name").to_owned();
            if names.contains(&name) {
                return Err(HttpAnswer::new(409).into());
            }
            names.push(name.clone());
            call.later(call.now() + Duration::from_secs(3600), move |names| {
                names.retain(|known| *known != name);
            });
            Ok(HttpAnswer::new(201).with_body(names.len().to_string()))
        })
        .with_fallback(|_, call| Err(HttpAnswer::new(404).with_body(call.method.to_string()).into()))
        .start()
        .unwrap()
}

/// Status and body; nothing where the connection ended.
fn asked(vendor: &Simulated<Vec<String>>, method: &str, path: &str, key: &str) -> Option<(u16, String)> {
    let mut client = TcpStream::connect(vendor.url().trim_start_matches("http://")).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\nconnection: close\r\n\r\n"
    );
    client.write_all(request.as_bytes()).unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    let status = said.split(' ').nth(1)?.parse().unwrap();
    Some((status, said.rsplit("\r\n").next().unwrap().to_owned()))
}

#[test]
fn routes_share_a_state_behind_a_guard() {
    let vendor = keeper(&Clock::default());
    assert_eq!(asked(&vendor, "POST", "/names/ada", "wrong").unwrap().0, 401);
    assert_eq!(asked(&vendor, "POST", "/names/ada", "key"), Some((201, "1".to_owned())));
    assert_eq!(asked(&vendor, "POST", "/names/bob?x=1", "key"), Some((201, "2".to_owned())));
    assert_eq!(asked(&vendor, "POST", "/names/ada", "key").unwrap().0, 409);
    assert_eq!(asked(&vendor, "GET", "/names/ada", "key"), Some((404, "GET".to_owned())));
    assert_eq!(vendor.state(|names| names.clone()), ["ada", "bob"]);
    let statuses: Vec<_> = vendor.transcript().iter().map(|one| one.status.unwrap().as_u16()).collect();
    assert_eq!(statuses, [401, 201, 201, 409, 404]);
}

#[test]
fn what_waits_happens_when_the_clock_is_put_there() {
    let vendor = keeper(&Clock::standing(SystemTime::UNIX_EPOCH));
    asked(&vendor, "POST", "/names/ada", "key").unwrap();
    vendor.clock().advance(Duration::from_secs(3599));
    assert_eq!(asked(&vendor, "POST", "/names/ada", "key").unwrap().0, 409);
    vendor.clock().advance(Duration::from_secs(1));
    // It happens on the server's own thread.
    while vendor.state(|names| !names.is_empty()) {
        std::thread::yield_now();
    }
    assert_eq!(asked(&vendor, "POST", "/names/ada", "key").unwrap().0, 201);
}

#[test]
fn faults_strike_by_their_script() {
    let vendor = keeper(&Clock::default());
    let rule = |fault| HttpRule::on(Method::POST, "/names/{name}", fault);
    vendor.inject(rule(HttpFault::Answer(HttpAnswer::new(503))).times(2));
    vendor.inject(rule(HttpFault::LoseAnswer).after(1));
    vendor.inject(rule(HttpFault::LoseRequest));
    vendor.inject(rule(HttpFault::Late(Duration::from_millis(1))));
    let mut outcomes = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        outcomes.push(asked(&vendor, "POST", &format!("/names/{name}"), "key").map(|(status, _)| status));
    }
    // The rule that loses an answer spares one question, which the next rule strikes.
    assert_eq!(outcomes, [Some(503), Some(503), None, None, Some(201), Some(201)]);
    assert_eq!(vendor.state(|names| names.clone()), ["d", "e", "f"]);
}
