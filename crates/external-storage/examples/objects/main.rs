//! A command line for people: `cp`, `ls`, `rm`, `presign` and `uploads` over any two stores, or a store and files of this
//! machine.
//!
//! ```text
//! cargo run -p external-storage --features all-providers --example objects -- --help
//! ```
//!
//! The program is the module `app`, so that the tests can run it too.

mod app;

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(app::run(std::env::args_os()))
}
