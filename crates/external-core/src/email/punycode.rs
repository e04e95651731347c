//! Domain labels in ASCII (RFC 3492). Small enough to own; the alternative is thirty crates of Unicode tables for mappings
//! that a domain a person typed rarely needs. Lower-casing is done, normalisation is not.

use std::borrow::Cow;

/// The domain with each non-ASCII label in its `xn--` form.
pub(super) fn domain_to_ascii(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() {
        return Cow::Borrowed(domain);
    }
    let labels: Vec<Cow<'_, str>> = domain
        .split('.')
        .map(|label| {
            if label.is_ascii() { Cow::Borrowed(label) } else { Cow::Owned(format!("xn--{}", encode(label))) }
        })
        .collect();
    Cow::Owned(labels.join("."))
}

fn encode(label: &str) -> String {
    const BASE: u32 = 36;
    const T_MIN: u32 = 1;
    const T_MAX: u32 = 26;
    let points: Vec<u32> = label.to_lowercase().chars().map(u32::from).collect();
    let mut out: String = points.iter().filter_map(|&p| char::from_u32(p).filter(char::is_ascii)).collect();
    let basic = u32::try_from(out.len()).unwrap_or(u32::MAX);
    let total = u32::try_from(points.len()).unwrap_or(u32::MAX);
    let mut handled = basic;
    if basic > 0 {
        out.push('-');
    }
    let (mut n, mut delta, mut bias) = (128_u32, 0_u32, 72_u32);
    while handled < total {
        let Some(next) = points.iter().copied().filter(|&p| p >= n).min() else {
            break;
        };
        delta = delta.saturating_add((next - n).saturating_mul(handled + 1));
        n = next;
        for &point in &points {
            if point < n {
                delta = delta.saturating_add(1);
            }
            if point == n {
                let mut q = delta;
                let mut k = BASE;
                loop {
                    let threshold = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
                    if q < threshold {
                        break;
                    }
                    out.push(digit(threshold + (q - threshold) % (BASE - threshold)));
                    q = (q - threshold) / (BASE - threshold);
                    k += BASE;
                }
                out.push(digit(q));
                bias = adapt(delta, handled + 1, handled == basic);
                delta = 0;
                handled += 1;
            }
        }
        delta = delta.saturating_add(1);
        n += 1;
    }
    out
}

fn digit(value: u32) -> char {
    // 0 to 25 are a to z, 26 to 35 are 0 to 9.
    let byte = if value < 26 { u32::from(b'a') + value } else { u32::from(b'0') + value - 26 };
    char::from_u32(byte).unwrap_or('0')
}

fn adapt(delta: u32, points: u32, first: bool) -> u32 {
    let mut delta = if first { delta / 700 } else { delta / 2 };
    delta += delta / points;
    let mut k = 0;
    while delta > 455 {
        delta /= 35;
        k += 36;
    }
    k + 36 * delta / (delta + 38)
}

#[cfg(test)]
mod tests {
    use super::domain_to_ascii;

    #[test]
    fn encodes_known_names() {
        for (unicode, ascii) in [
            ("example.org", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("münchen.de", "xn--mnchen-3ya.de"),
            ("例子.广告", "xn--fsqu00a.xn--4rr70v"),
            ("почта.рф", "xn--80a1acny.xn--p1ai"),
            ("डाटा.भारत", "xn--c2bd1gb.xn--h2brj9c"),
        ] {
            assert_eq!(domain_to_ascii(unicode), ascii);
        }
    }
}
