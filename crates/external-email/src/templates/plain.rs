//! The text part of a mail, made from its HTML: what a person would read, links with their address behind them.

/// Elements that are not read.
const SILENT: &[&str] = &["head", "script", "style", "title", "template"];
/// Elements that stand in a paragraph of their own.
const PARAGRAPHS: &[&str] =
    &["p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "pre", "hr"];
/// Elements that stand on a line of their own.
const LINES: &[&str] =
    &["div", "li", "tr", "section", "header", "footer", "article", "address", "dt", "dd", "center"];

/// The text of an HTML mail. Comments, styles and scripts are left out; a link shows its address unless its words are the
/// address; an image shows its alternative text.
pub fn text_of_html(html: &str) -> String {
    let mut writer = Writer::default();
    let mut links: Vec<(String, usize)> = Vec::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        writer.words(&rest[..open]);
        rest = &rest[open..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let Some(end) = tag_end(rest) else {
            writer.words(rest);
            rest = "";
            break;
        };
        let tag = &rest[1..end];
        rest = &rest[end + 1..];
        let closing = tag.starts_with('/');
        let name: String = tag
            .trim_start_matches('/')
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase();
        match name.as_str() {
            silent if SILENT.contains(&silent) && !closing => rest = skip(rest, silent),
            "br" => writer.line(),
            "a" if !closing => links.push((attribute(tag, "href").unwrap_or_default(), writer.out.len())),
            "a" => {
                if let Some((href, start)) = links.pop() {
                    let said = writer.out.get(start..).unwrap_or_default().trim().to_owned();
                    let spoken = href.strip_prefix("mailto:").unwrap_or(&href);
                    if !(href.is_empty() || href.starts_with('#') || said == spoken) {
                        writer.words(&if said.is_empty() {
                            format!(" {spoken}")
                        } else {
                            format!(" ({spoken})")
                        });
                    }
                }
            }
            "img" => writer.words(&attribute(tag, "alt").unwrap_or_default()),
            "li" if !closing => {
                writer.line();
                writer.words("- ");
            }
            "td" | "th" if !closing => writer.words(" "),
            paragraph if PARAGRAPHS.contains(&paragraph) => writer.paragraph(),
            line if LINES.contains(&line) => writer.line(),
            _ => {}
        }
    }
    writer.words(rest);
    writer.finish()
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Line ends that are due before the next word.
    breaks: usize,
    space: bool,
}

impl Writer {
    fn words(&mut self, html: &str) {
        for c in decode(html).chars() {
            if c.is_whitespace() && c != '\u{a0}' {
                self.space = true;
                continue;
            }
            if self.breaks > 0 && !self.out.is_empty() {
                self.out.extend(std::iter::repeat_n('\n', self.breaks));
            } else if self.space && !self.out.is_empty() {
                self.out.push(' ');
            }
            (self.breaks, self.space) = (0, false);
            self.out.push(if c == '\u{a0}' { ' ' } else { c });
        }
    }

    fn line(&mut self) {
        self.breaks = self.breaks.max(1);
        self.space = false;
    }

    fn paragraph(&mut self) {
        self.breaks = 2;
        self.space = false;
    }

    fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out.push('\n');
        self.out
    }
}

/// Where a tag that starts at 0 ends, quotes respected.
pub(super) fn tag_end(html: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in html.char_indices().skip(1) {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// What follows the end of a silent element.
fn skip<'a>(rest: &'a str, name: &str) -> &'a str {
    let lower = rest.to_ascii_lowercase();
    let Some(at) = lower.find(&format!("</{name}")) else {
        return "";
    };
    rest[at..].find('>').map_or("", |end| &rest[at + end + 1..])
}

pub(super) fn attribute(tag: &str, name: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    let at = lower.match_indices(name).map(|(at, _)| at).find(|&at| {
        let before = lower[..at].ends_with(|c: char| c.is_whitespace());
        before && lower[at + name.len()..].trim_start().starts_with('=')
    })?;
    let value = tag[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split(quote).next()?,
        _ => value.split(|c: char| c.is_whitespace() || c == '/').next()?,
    };
    Some(decode(value))
}

/// Replaces character references.
fn decode(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest[1..].find(';').filter(|&end| end <= 10).map(|end| &rest[1..=end]);
        match reference.and_then(|name| Some((name, character(name)?))) {
            Some((name, c)) => {
                out.push(c);
                rest = &rest[name.len() + 2..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "copy" => '©',
        "reg" => '®',
        "euro" => '€',
        "ndash" => '–',
        "mdash" => '—',
        "hellip" => '…',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "times" => '×',
        "rarr" => '→',
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control())?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::text_of_html;

    #[test]
    fn reads_as_a_person_would() {
        let html = "<html><head><title>t</title><style>p { color: red }</style></head><body><!-- no -->\n\
            <h1>Hello&nbsp;Ada &amp; Bob</h1><p>One<br>two\n  three.</p><ul><li>first</li><li>second</li></ul>\
            <p>See <a href=\"https://example.org/?a=1&amp;b=2\">the page</a> or <a href='https://example.org'>https://example.org</a>.\
            <img src=\"cid:x\" alt=\"A face\"></p><script>alert('<p>')</script><a href=\"mailto:a@b.c\">a@b.c</a></body></html>";
        assert_eq!(
            text_of_html(html),
            "Hello Ada & Bob\n\nOne\ntwo three.\n\n- first\n- second\n\n\
             See the page (https://example.org/?a=1&b=2) or https://example.org.A face\n\na@b.c\n"
        );
    }

    #[test]
    fn survives_broken_markup() {
        for html in [
            "<",
            "<p",
            "a < b",
            "<a href=\"x",
            "&#xfffffff;",
            "&",
            "<style>never ends",
            "<!-- never ends",
            "</a></a>",
            "<p title='>'>x",
        ] {
            let _ = text_of_html(html);
        }
        assert_eq!(text_of_html("a &lt; b &unknown; &#128512;"), "a < b &unknown; 😀\n");
        assert_eq!(text_of_html("<p title='>'>x"), "x\n");
    }
}
