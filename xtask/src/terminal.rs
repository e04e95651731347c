//! How results look at the terminal, and what becomes of a program whose output goes nowhere.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{LineStyle, Table, TableStyle};

const STYLE: TableStyle = UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());

/// An empty table with these headings.
pub fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(headings);
    table
}

/// An output that nobody reads any more (`| head`) ends the program as it ends others, silently and with 141, and one that is
/// full with one line: `println!` panics in both cases. What was started is stopped by who watches over this process.
pub fn end_with_the_output() {
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

/// The first line, at most `limit` characters of it.
pub fn short(text: &str, limit: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= limit {
        return line.to_owned();
    }
    line.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn shortens_by_characters() {
        assert_eq!(super::short("äöü\nmore", 3), "äöü");
        assert_eq!(super::short("äöüx", 3), "äö…");
    }
}
