//! Prints the JSON Schema of a configuration file, for an editor or a check before a deployment.
//!
//! ```text
//! cargo run -p external-container --example schema > service.schema.json
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use external_container::Container;

fn main() {
    let builder =
        Container::builder().domain(external_storage::registry()).domain(external_cache::registry());
    println!("{}", builder.ignore("app").schema());
}
