//! Mutations: small mistakes, made one by one in a scratch copy of the workspace, and who notices each.
//!
//! The suites are what a provider is believed by, so they are tested too: by providers that are wrong on purpose, in
//! `external-contract`, and here by the mistakes that somebody could make in the real ones. A mistake that no clause tells
//! from the right code is a promise that nobody holds.

mod copy;
pub mod generated;
mod libtest;
mod list;
mod outcome;
mod trial;

use std::collections::BTreeSet;

pub use copy::Copy;
use list::Place;
pub use list::{Mutation, read};
pub use outcome::{Outcome, advice, counts, table, write};
pub use trial::Trials;

use crate::contract::needs;
use crate::failure::{Failure, Result};
use crate::servers::Server;
use crate::workspace::Workspace;

/// The mutations of `domain`, or of all, that `ids` name, or all.
pub fn choose<'a>(all: &'a [Mutation], domain: Option<&str>, ids: &[String]) -> Result<Vec<&'a Mutation>> {
    for id in ids {
        if !all.iter().any(|mutation| is_called(mutation, id)) {
            return Err(Failure::new(format!("no mutation {id}; --list shows what there is")));
        }
    }
    let chosen: Vec<&Mutation> = all
        .iter()
        .filter(|mutation| domain.is_none_or(|domain| mutation.domain == domain))
        .filter(|mutation| ids.is_empty() || ids.iter().any(|id| is_called(mutation, id)))
        .collect();
    if chosen.is_empty() {
        let known: BTreeSet<&str> = all.iter().map(|mutation| mutation.domain.as_str()).collect();
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Failure::new(format!("no mutation is left by these filters; the domains are: {known}")));
    }
    Ok(chosen)
}

/// By its id, or by domain and id.
fn is_called(mutation: &Mutation, name: &str) -> bool {
    mutation.id == name || mutation.title() == name
}

/// An order in which one mutation's build leaves most of the next one's done.
pub fn in_order(mut mutations: Vec<&Mutation>) -> Vec<&Mutation> {
    mutations.sort_by_cached_key(|mutation| {
        let place = mutation.place();
        (mutation.domain.clone(), place.package, place.test)
    });
    mutations
}

/// The servers that the providers need against which mutations are judged.
pub fn servers(workspace: &Workspace, mutations: &[&Mutation]) -> Result<Vec<&'static Server>> {
    let mut all: Vec<&'static Server> = Vec::new();
    let places: BTreeSet<Place> = mutations.iter().map(|mutation| mutation.place()).collect();
    for place in places.iter().filter(|place| place.provider.is_some()) {
        let domain = place.package.strip_prefix("external-");
        for server in needs::servers(workspace, domain, place.provider.as_deref())? {
            if !all.iter().any(|known| known.name == server.name) {
                all.push(server);
            }
        }
    }
    Ok(all)
}

/// One line a mutation: where it would be noticed, and whether it can still be made.
pub fn line(workspace: &Workspace, mutation: &Mutation) -> String {
    let place = mutation.place().title();
    let stale = mutation.apply_below(&workspace.root).err();
    let stale = stale.map_or_else(String::new, |why| format!("  STALE: {why}"));
    format!("{:<64} {place} {}{stale}", mutation.title(), mutation.noticed_by.wanted())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Mutation> {
        read(&Workspace::load().unwrap()).unwrap()
    }

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn mutations_are_chosen_by_domain_and_name() {
        let all = all();
        let cache = choose(&all, Some("cache"), &[]).unwrap();
        assert!(cache.len() > 1 && cache.iter().all(|mutation| mutation.domain == "cache"));
        let one = choose(&all, None, &named(&["cache/redis-ttl-in-seconds"])).unwrap();
        assert_eq!(one.len(), 1);
        assert_eq!(choose(&all, None, &named(&["redis-ttl-in-seconds"])).unwrap()[0].title(), one[0].title());
        assert!(choose(&all, None, &named(&["none"])).unwrap_err().to_string().contains("--list"));
        let other = choose(&all, Some("email"), &named(&["redis-ttl-in-seconds"])).unwrap_err();
        assert!(other.to_string().contains("cache, core, email, http, net, resilience, storage"), "{other}");
    }

    #[test]
    fn those_of_one_program_stand_together() {
        let all = all();
        let ordered = in_order(all.iter().collect());
        let places: Vec<_> =
            ordered.iter().map(|m| (m.domain.clone(), m.place().package, m.place().test)).collect();
        let mut runs = places.clone();
        runs.dedup();
        let distinct: BTreeSet<_> = places.into_iter().collect();
        assert_eq!(runs.len(), distinct.len());
    }

    #[test]
    fn only_remote_providers_need_servers() {
        let workspace = Workspace::load().unwrap();
        let all = read(&workspace).unwrap();
        let of = |id: &str| {
            let chosen = choose(&all, None, &named(&[id])).unwrap();
            servers(&workspace, &chosen).unwrap().iter().map(|server| server.name).collect::<Vec<_>>()
        };
        assert_eq!(of("redis-ttl-in-seconds"), ["redis", "redis-tls"]);
        assert!(of("memory-ignores-the-ttl").is_empty());
        assert!(of("secret-prints-itself").is_empty());
    }
}
