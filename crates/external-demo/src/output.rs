//! What becomes of a program whose output goes nowhere.

/// An output that nobody reads any more (`| head`) ends the program as it ends others, silently and with 141, and one that is
/// full with one line: `println!` panics in both cases.
pub(crate) fn end_with_the_output() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        match panic.payload_as_str().and_then(|told| told.strip_prefix("failed printing to stdout: ")) {
            Some(why) if why.starts_with("Broken pipe") => std::process::exit(141),
            Some(why) => {
                eprintln!("error: the output cannot be written: {why}");
                std::process::exit(1);
            }
            None => others(panic),
        }
    }));
}
