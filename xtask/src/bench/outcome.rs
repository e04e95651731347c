//! What `bench` prints at its end.

use comfy_table::{CellAlignment, Table};

use super::report::{Bench, Peer};
use crate::terminal;

/// One row a peer.
pub fn table(benches: &[Bench]) -> Table {
    let mut table =
        terminal::table(["domain", "case", "ours", "unit", "peer", "peer's", "ratio", "from", "to"]);
    for bench in benches {
        for (at, peer) in bench.peers.iter().enumerate() {
            // The case is told once.
            let once = |text: &str| if at == 0 { text.to_owned() } else { String::new() };
            table.add_row([
                once(&bench.domain),
                once(&bench.name),
                once(&figure(bench.ours)),
                once(&bench.unit),
                peer.name.clone(),
                figure(peer.value),
                format!("{:.2}", peer.ratio),
                bound(peer, 0),
                bound(peer, 1),
            ]);
        }
        if bench.peers.is_empty() {
            let row =
                [bench.domain.as_str(), &bench.name, &figure(bench.ours), &bench.unit, "", "", "", "", ""];
            table.add_row(row.map(str::to_owned));
        }
    }
    for column in [2, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// One end of the range.
fn bound(peer: &Peer, at: usize) -> String {
    peer.range.map(|range| format!("{:.2}", range[at])).unwrap_or_default()
}

/// How to read the table.
pub fn notes() -> &'static str {
    "Ratio: above 1 ours is better. Units that end in /s: ours divided by the peer's; all others: the peer's divided by \
     ours.\nMedians of rounds in which all contestants took turns; figures of one run compare with each other, not with \
     those of\nanother machine or hour. From, to: where the ratio is with a confidence of 95 %, by the ratios of the rounds."
}

/// Four digits, grouped by thousands: `586 000`, `12.35`.
fn figure(value: f64) -> String {
    if value.abs() < 1000.0 {
        let decimals = match value.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            size if size >= 1.0 => 2,
            _ => 3,
        };
        return format!("{value:.decimals$}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!(
            [586_000.0, 1000.0, 312.4, 12.345, 1.5, 0.25].map(figure),
            ["586 000", "1 000", "312", "12.3", "1.50", "0.250"]
        );
    }

    #[test]
    fn a_case_is_told_once_and_each_peer_has_its_ratio() {
        let range = Some([0.25, 2.25]);
        let peer = |name: &str, ratio| Peer { name: name.into(), value: 100.0, ratio, range };
        let bench = Bench {
            domain: "cache".into(),
            name: "get".into(),
            ours: 200.0,
            unit: "gets/s".into(),
            peers: vec![peer("one", 2.0), peer("two", 0.5)],
        };
        let text = table(&[bench]).to_string();
        assert_eq!(text.matches("get ").count(), 1, "{text}");
        let of = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(of("one").contains("2.00") && of("two").contains("0.50"), "{text}");
        assert!(of("two").contains("0.25") && of("two").contains("2.25"), "{text}");
    }
}
