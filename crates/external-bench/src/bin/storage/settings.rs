//! Which setting costs what: ours against ours with one setting changed, with and without TLS; and the SDK with and without
//! what ours leaves out.

use external_bench::Rounds;

use crate::stores::{Integrity, Ours, Protection, Sdk, Server, Store};
use crate::turns::{CALLERS, MIB, Turns};

/// The first is what the others are compared with.
const VARIANTS: [(&str, Protection); 4] = [
    ("ours", Protection { checksum: true, payload_signing: true }),
    ("ours without checksum", Protection { checksum: false, payload_signing: true }),
    ("ours without payload signing", Protection { checksum: true, payload_signing: false }),
    ("ours with neither", Protection { checksum: false, payload_signing: false }),
];

/// The rows against one server; `over` is how it is talked to.
pub(crate) fn measure(
    rounds: &mut Rounds,
    turns: &Turns<'_>,
    server: &Server,
    over: &str,
) -> Result<(), String> {
    let _within = turns.runtime.enter();
    let of = |what: &'static str| format!("s3 settings: {what} 1 MiB, {CALLERS} callers, over {over}");
    let mut variants = Vec::new();
    for (name, protection) in VARIANTS {
        let ours = Ours::new(server, protection).map_err(|error| format!("{name}: {error}"))?;
        variants.push((name, Store::Ours(ours)));
    }
    put_and_get(rounds, turns, &variants, of)
}

/// What the SDK brings that ours replaces: its guard against stalled streams, and its HTTP client.
pub(crate) fn of_the_sdk(rounds: &mut Rounds, turns: &Turns<'_>, server: &Server) -> Result<(), String> {
    let _within = turns.runtime.enter();
    let bare = Integrity::Bare;
    let ours = Ours::new(server, bare.into()).map_err(|error| error.to_string())?;
    let stores = [
        ("ours: neither its guard nor its HTTP client", Store::Ours(ours)),
        ("aws-sdk-s3 by hand", Store::Sdk(Sdk::new(server, bare))),
        ("aws-sdk-s3 without its guard", Store::Sdk(Sdk::without_guard(server, bare))),
    ];
    let of = |what: &'static str| format!("s3 settings of the SDK: {what} 1 MiB, {CALLERS} callers, bare");
    put_and_get(rounds, turns, &stores, of)
}

/// Two rows: all put, and all read one object, which the first has written. Where that has a checksum, only those who ask for
/// it verify it.
fn put_and_get(
    rounds: &mut Rounds,
    turns: &Turns<'_>,
    stores: &[(&str, Store)],
    of: impl Fn(&'static str) -> String,
) -> Result<(), String> {
    let puts = stores.iter().map(|(name, store)| turns.put_side_by_side(name, store, MIB));
    rounds.case("storage", &of("put"), "MB/s", puts.collect());
    let name = of("get");
    if rounds.wants(&name) {
        let (first, store) = &stores[0];
        let key = turns.given(first, store, MIB)?;
        let gets = stores.iter().map(|(name, store)| turns.get_side_by_side(name, store, key.clone(), MIB));
        rounds.case("storage", &name, "MB/s", gets.collect());
    }
    Ok(())
}
