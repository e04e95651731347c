//! Who gets a recorded mail, in the ways that SDKs are told it.

use std::collections::{BTreeMap, BTreeSet};

use external_contract::truth::skipped;
use external_core::email::{EmailAddress, Mailbox};
use serde_json::{Map, Value};

use crate::given::{Found, Given, held, line};

/// One personalization: who gets a mail together, and what is theirs alone.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) to: Vec<Mailbox>,
    pub(crate) cc: Vec<Mailbox>,
    pub(crate) bcc: Vec<Mailbox>,
    pub(crate) subject: Option<String>,
    pub(crate) words: BTreeMap<String, String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) custom_args: Vec<(String, String)>,
    pub(crate) data: Option<Map<String, Value>>,
    pub(crate) send_at: Option<u64>,
}

/// The personalizations of a call.
pub(crate) fn envelopes(given: &mut Given) -> Found<Vec<Envelope>> {
    let all = given.list("personalizations");
    let all = match all.is_empty() {
        true => together(given)?,
        false => {
            let read =
                |(at, one): (usize, Value)| envelope(Given::new(format!("personalizations.{at}"), one)?);
            all.into_iter().enumerate().map(read).collect::<Found<Vec<_>>>()?
        }
    };
    all.iter().try_for_each(as_the_provider_sends_it)?;
    Ok(all)
}

fn envelope(mut given: Given) -> Found<Envelope> {
    let envelope = Envelope {
        to: mailboxes(&mut given, "to")?,
        cc: mailboxes(&mut given, "cc")?,
        bcc: mailboxes(&mut given, "bcc")?,
        subject: given.text("subject")?,
        words: given.pairs("substitutions")?.into_iter().collect(),
        headers: given.pairs("headers")?,
        custom_args: given.pairs("custom_args")?,
        data: data(&mut given)?,
        send_at: given.number("send_at")?,
    };
    given.done()?;
    Ok(envelope)
}

/// The recipients where the call names no personalizations: one for all, or one each where they have words of their own or
/// are not to see each other.
fn together(given: &mut Given) -> Found<Vec<Envelope>> {
    let is_each = given.switch("is_multiple")?.unwrap_or_default();
    let shared: BTreeMap<_, _> = given.pairs("substitutions")?.into_iter().collect();
    let mut each = Vec::new();
    for one in people(given.take("to")) {
        let (to, mut own) = person("to", one)?;
        let words = own.pairs("substitutions")?.into_iter();
        let words = shared.clone().into_iter().chain(words).collect();
        each.push(Envelope { to: vec![to], words, subject: own.text("subject")?, ..Envelope::default() });
        own.done()?;
    }
    let (cc, bcc) = (mailboxes(given, "cc")?, mailboxes(given, "bcc")?);
    if is_each || each.iter().any(|one| one.subject.is_some() || one.words != shared) {
        let all_alone = [("cc", &cc), ("bcc", &bcc)].into_iter().find(|(_, people)| !people.is_empty());
        return match all_alone {
            Some((name, _)) => Err(skipped(format!("the contract's batches have no `{name}`"))),
            None => Ok(each),
        };
    }
    let to = each.into_iter().flat_map(|one| one.to).collect();
    Ok(vec![Envelope { to, cc, bcc, words: shared, ..Envelope::default() }])
}

/// What a template is filled with, if that is said.
pub(crate) fn data(given: &mut Given) -> Found<Option<Map<String, Value>>> {
    match given.take("dynamic_template_data") {
        None => Ok(None),
        Some(Value::Object(data)) => Ok(Some(data)),
        Some(_) => {
            Err(skipped("the contract fills a template with `dynamic_template_data` that is an object"))
        }
    }
}

/// Refused by SendGrid, and sent by the provider in another way.
fn as_the_provider_sends_it(one: &Envelope) -> Found<()> {
    if one.to.is_empty() && !one.bcc.is_empty() {
        return Err(skipped("`bcc` without `to`, which the provider sends as a mail each"));
    }
    let mut seen = BTreeSet::new();
    let everybody = one.to.iter().chain(&one.cc).chain(&one.bcc);
    match everybody.into_iter().all(|person| seen.insert(person.address())) {
        true => Ok(()),
        false => Err(skipped("an address in `to`, `cc` and `bcc` twice, which the provider names once")),
    }
}

pub(crate) fn mailboxes(given: &mut Given, name: &str) -> Found<Vec<Mailbox>> {
    let place = given.name(name);
    people(given.take(name)).into_iter().map(|one| mailbox(&place, one)).collect()
}

/// Somebody of whom nothing but name and address is told.
pub(crate) fn mailbox(place: &str, told: Value) -> Found<Mailbox> {
    let (mailbox, rest) = person(place, told)?;
    rest.done()?;
    Ok(mailbox)
}

/// The people of a list: `[address, name]` is one of them.
fn people(told: Option<Value>) -> Vec<Value> {
    match told {
        None => Vec::new(),
        Some(Value::Array(all)) if !is_pair(&all) => all,
        Some(one) => vec![one],
    }
}

fn is_pair(all: &[Value]) -> bool {
    let is_address = |value: &Value| value.as_str().is_some_and(|text| text.contains('@'));
    match all {
        [address, name] => is_address(address) && (name.is_null() || name.is_string()) && !is_address(name),
        _ => false,
    }
}

/// Somebody, and what else is told of them.
fn person(place: &str, told: Value) -> Found<(Mailbox, Given)> {
    let fields = match told {
        Value::String(text) => {
            let mailbox = held(place, text.parse::<Mailbox>())?;
            return Ok((mailbox, Given::new(place.to_owned(), Value::Null)?));
        }
        Value::Array(pair) if pair.len() > 2 => {
            return Err(skipped(format!("nobody here reads a list for somebody in `{place}`")));
        }
        Value::Array(pair) => {
            let mut pair = pair.into_iter();
            let fields = ["email", "name"].map(|name| (name.to_owned(), pair.next().unwrap_or_default()));
            Value::Object(fields.into_iter().collect())
        }
        fields => fields,
    };
    let mut given = Given::new(place.to_owned(), fields)?;
    let address = given.text("email")?.unwrap_or_default();
    let name = given.text("name")?.unwrap_or_default();
    let mailbox = Mailbox::new(held(place, EmailAddress::parse(&address))?);
    Ok((mailbox.with_name(line(place, &name)?), given))
}
