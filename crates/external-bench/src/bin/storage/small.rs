//! Small objects: gets and puts by the second, and the line from 1 KiB to 32 MiB.

use external_bench::{Contestant, Options, Rounds};

use crate::said;
use crate::stores::{Integrity, NAMES, Server, Store};
use crate::turns::{AT_A_TIME, CALLERS, MIB, Turns};

pub(crate) fn measure(
    rounds: &mut Rounds,
    options: &Options,
    turns: &Turns<'_>,
    server: &Server,
) -> Result<(), String> {
    // Sockets and pools belong to the runtime, also when they go.
    let _within = turns.runtime.enter();
    for integrity in Integrity::BOTH {
        let stores = Stores::new(server, integrity)?;
        let of = |what: &str| format!("s3 {what}, {}", integrity.name());
        let name = of("get 1 KiB, 1 caller");
        if rounds.wants(&name) {
            let gets = stores
                .each(|name, store| Ok(turns.get(name, store, turns.given(name, store, 1 << 10)?, 1 << 10)));
            rounds.case("storage", &name, "gets/s", gets?);
        }
        let puts = stores.each(|name, store| Ok(turns.put_side_by_side(name, store, MIB)));
        rounds.case("storage", &of(&format!("put 1 MiB, {CALLERS} callers")), "MB/s", puts?);
        let count = if options.quick { 200 } else { 10_000 };
        let many = stores.each(|name, store| Ok(turns.put_many(name, store, count)));
        let name = of(&format!("put {count} objects of 1 KiB, {AT_A_TIME} at a time"));
        rounds.long_case(3, "storage", &name, "puts/s", many?);
        for size in [1 << 10, 32 << 10, MIB, 32 * MIB] {
            let up = stores.each(|name, store| Ok(turns.upload(name, store, size)));
            rounds.case("storage", &of(&format!("upload of {}", said(size as u64))), "ms", up?);
            let name = of(&format!("download of {}", said(size as u64)));
            if rounds.wants(&name) {
                let down = stores.each(|name, store| {
                    Ok(turns.download(name, store, turns.given(name, store, size)?, size))
                });
                rounds.case("storage", &name, "ms", down?);
            }
        }
    }
    Ok(())
}

/// All contestants by their names.
struct Stores(Vec<(&'static str, Store)>);

impl Stores {
    fn new(server: &Server, integrity: Integrity) -> Result<Self, String> {
        let named = |name: &'static str| match Store::named(name, server, integrity) {
            Ok(store) => Ok((name, store)),
            Err(error) => Err(format!("{name}: {error}")),
        };
        NAMES.into_iter().map(named).collect::<Result<_, _>>().map(Self)
    }

    fn each<'a>(
        &'a self,
        turn: impl Fn(&'static str, &'a Store) -> Result<Contestant<'a>, String>,
    ) -> Result<Vec<Contestant<'a>>, String> {
        self.0.iter().map(|(name, store)| turn(name, store)).collect()
    }
}
