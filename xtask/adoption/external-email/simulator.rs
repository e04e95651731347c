//! A service whose tests start what stands in for its vendor: of providers that are compiled in, of which it has none.
//!
//! features: simulator
//!
//! ```text
//! vendors that can be stood in for: 0
//! ```

use external_email::providers::SIMULATORS;

fn main() {
    println!("vendors that can be stood in for: {}", SIMULATORS.len());
}
