//! Styles put on the elements they are for, since mail programs read little else.
//!
//! Rules of the mail's own `<style>` are inlined if their selectors are made of element names, classes, ids and `*`, side by
//! side or one within the other (`td.total b`). All others (`:hover`, `@media`, `a > b`) stay in `<style>` for the programs
//! that read it. Nothing is fetched. This is a part of what browsers know, and all that mails need; a full engine is a
//! dependency of two dozen crates.

use super::plain::{attribute, tag_end};

/// Elements that have no end.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];

/// The HTML with its styles inlined.
pub(super) fn inline(html: &str) -> String {
    let (rules, rest) = collect(html);
    if rules.is_empty() { html.to_owned() } else { apply(&rest, &rules) }
}

struct Rule {
    /// The element itself is the last; those before it are around it, in this order.
    path: Vec<Compound>,
    declarations: Vec<Declaration>,
    /// Ids, classes, names; then the place in the sheet.
    rank: (usize, usize, usize, usize),
}

#[derive(Default)]
struct Compound {
    name: Option<String>,
    id: Option<String>,
    classes: Vec<String>,
}

#[derive(Clone)]
struct Declaration {
    property: String,
    value: String,
    important: bool,
}

struct Element {
    name: String,
    id: Option<String>,
    classes: Vec<String>,
}

impl Compound {
    fn fits(&self, element: &Element) -> bool {
        self.name.as_ref().is_none_or(|name| *name == element.name)
            && self.id.as_ref().is_none_or(|id| element.id.as_ref() == Some(id))
            && self.classes.iter().all(|class| element.classes.contains(class))
    }
}

impl Rule {
    fn fits(&self, element: &Element, around: &[Element]) -> bool {
        let Some((own, outer)) = self.path.split_last() else {
            return false;
        };
        let mut around = around.iter().rev();
        own.fits(element) && outer.iter().rev().all(|compound| around.any(|element| compound.fits(element)))
    }
}

/// The rules that can be inlined, and the HTML with only the others left in its `<style>`.
fn collect(html: &str) -> (Vec<Rule>, String) {
    let lower = html.to_ascii_lowercase();
    let (mut rules, mut out, mut at) = (Vec::new(), String::with_capacity(html.len()), 0);
    while let Some(open) = lower[at..].find("<style").map(|open| at + open) {
        let Some(start) = tag_end(&html[open..]).map(|end| open + end + 1) else {
            break;
        };
        let Some(end) = lower[start..].find("</style").map(|end| start + end) else {
            break;
        };
        let close = lower[end..].find('>').map_or(html.len(), |close| end + close + 1);
        out.push_str(&html[at..open]);
        let left = sheet(&html[start..end], &mut rules);
        if !left.trim().is_empty() {
            out.push_str(&format!("{}{}</style>", &html[open..start], left.trim()));
        }
        at = close;
    }
    out.push_str(&html[at..]);
    (rules, out)
}

/// Reads a sheet; what cannot be inlined is handed back.
fn sheet(css: &str, rules: &mut Vec<Rule>) -> String {
    let css = without_comments(css);
    let mut left = String::new();
    let mut rest = css.trim_start();
    while !rest.is_empty() {
        let Some(open) = rest.find(['{', ';']) else {
            left.push_str(rest);
            break;
        };
        if rest.as_bytes()[open] == b';' {
            left.push_str(&rest[..=open]);
            rest = rest[open + 1..].trim_start();
            continue;
        }
        let end = block_end(&rest[open..]).map_or(rest.len(), |end| open + end + 1);
        let (whole, body) = (&rest[..end], rest[open + 1..end].trim_end_matches('}'));
        let mut kept = Vec::new();
        for selector in rest[..open].split(',') {
            match path(selector).filter(|_| !rest.starts_with('@')) {
                Some(path) => {
                    let count = |of: fn(&Compound) -> usize| path.iter().map(of).sum();
                    let rank = (
                        count(|c| usize::from(c.id.is_some())),
                        count(|c| c.classes.len()),
                        count(|c| usize::from(c.name.is_some())),
                        rules.len(),
                    );
                    rules.push(Rule { path, declarations: declarations(body), rank });
                }
                None => kept.push(selector.trim()),
            }
        }
        if rest.starts_with('@') {
            left.push_str(whole);
            left.push('\n');
        } else if !kept.is_empty() {
            left.push_str(&format!("{} {{{body}}}\n", kept.join(", ")));
        }
        rest = rest[end..].trim_start();
    }
    left
}

fn without_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(open) = rest.find("/*") {
        out.push_str(&rest[..open]);
        rest = rest[open..].find("*/").map_or("", |end| &rest[open + end + 2..]);
    }
    out + rest
}

/// Where the block that starts at 0 ends.
fn block_end(css: &str) -> Option<usize> {
    let mut depth = 0_usize;
    css.bytes().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0
    })
}

/// A selector that can be inlined.
fn path(selector: &str) -> Option<Vec<Compound>> {
    let compounds: Option<Vec<Compound>> = selector.split_whitespace().map(compound).collect();
    compounds.filter(|compounds| !compounds.is_empty())
}

fn compound(text: &str) -> Option<Compound> {
    let mut compound = Compound::default();
    let start = text.find(['.', '#']).unwrap_or(text.len());
    match &text[..start] {
        "" | "*" => {}
        name => compound.name = Some(identifier(name)?.to_ascii_lowercase()),
    }
    let mut rest = &text[start..];
    while let Some(mark) = rest.chars().next() {
        let body = &rest[1..];
        let end = body.find(['.', '#']).unwrap_or(body.len());
        let name = identifier(&body[..end])?.to_owned();
        if mark == '.' {
            compound.classes.push(name);
        } else {
            compound.id = Some(name);
        }
        rest = &body[end..];
    }
    Some(compound)
}

fn identifier(text: &str) -> Option<&str> {
    let fine = !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_');
    fine.then_some(text)
}

fn declarations(body: &str) -> Vec<Declaration> {
    let mut pieces = Vec::new();
    let (mut depth, mut quote, mut start) = (0_usize, None, 0);
    for (at, c) in body.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (None, ';') if depth == 0 => {
                pieces.push(&body[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    pieces.push(&body[start..]);
    let read = |piece: &str| {
        let (property, value) = piece.split_once(':')?;
        let value = value.trim();
        let important = value.to_ascii_lowercase().ends_with("!important");
        let value = if important { value[..value.len() - "!important".len()].trim_end() } else { value };
        let property = property.trim().to_ascii_lowercase();
        let fine = !property.is_empty() && !value.is_empty();
        fine.then(|| Declaration { property, value: value.to_owned(), important })
    };
    pieces.into_iter().filter_map(read).collect()
}

fn apply(html: &str, rules: &[Rule]) -> String {
    let mut out = String::with_capacity(html.len() * 2);
    let mut around: Vec<Element> = Vec::new();
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let end = if rest.starts_with("<!--") { rest.find("-->").map(|end| end + 2) } else { tag_end(rest) };
        let Some(end) = end else { break };
        let tag = &rest[..=end];
        let closing = tag.starts_with("</");
        let name: String =
            tag[1..].trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        rest = &rest[end + 1..];
        if name.is_empty() {
            out.push_str(tag);
        } else if closing {
            if let Some(depth) = around.iter().rposition(|element| element.name == name) {
                around.truncate(depth);
            }
            out.push_str(tag);
        } else {
            let classes = attribute(tag, "class").unwrap_or_default();
            let element = Element {
                id: attribute(tag, "id"),
                classes: classes.split_whitespace().map(str::to_owned).collect(),
                name,
            };
            out.push_str(&styled(tag, &element, &around, rules));
            if !VOID.contains(&element.name.as_str()) && !tag.ends_with("/>") {
                around.push(element);
            }
        }
    }
    out + rest
}

/// The tag with the declarations of all rules that fit, those of its own `style` last.
fn styled(tag: &str, element: &Element, around: &[Element], rules: &[Rule]) -> String {
    let mut fitting: Vec<&Rule> = rules.iter().filter(|rule| rule.fits(element, around)).collect();
    if fitting.is_empty() {
        return tag.to_owned();
    }
    fitting.sort_by_key(|rule| rule.rank);
    let own = attribute(tag, "style");
    let mut merged: Vec<Declaration> = Vec::new();
    let sheet = fitting.iter().flat_map(|rule| rule.declarations.iter().cloned());
    for declaration in sheet.chain(own.as_deref().map(declarations).unwrap_or_default()) {
        match merged.iter().position(|known| known.property == declaration.property) {
            Some(at) if merged[at].important && !declaration.important => {}
            Some(at) => {
                merged.remove(at);
                merged.push(declaration);
            }
            None => merged.push(declaration),
        }
    }
    let style = merged.iter().map(|d| format!("{}:{}", d.property, d.value)).collect::<Vec<_>>().join(";");
    let style = style.replace('&', "&amp;").replace('"', "'");
    let bare = without_attribute(tag, "style");
    let end = if bare.ends_with("/>") { bare.len() - 2 } else { bare.len() - 1 };
    format!("{} style=\"{style}\"{}", bare[..end].trim_end(), &bare[end..])
}

fn without_attribute(tag: &str, name: &str) -> String {
    let lower = tag.to_ascii_lowercase();
    let found = lower.match_indices(name).map(|(at, _)| at).find(|&at| {
        lower[..at].ends_with(char::is_whitespace) && lower[at + name.len()..].trim_start().starts_with('=')
    });
    let Some(at) = found else { return tag.to_owned() };
    let value = tag[at + name.len()..].trim_start()[1..].trim_start();
    let length = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].find(quote).map_or(value.len(), |end| end + 2),
        _ => value.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(value.len()),
    };
    format!("{}{}", tag[..at].trim_end(), &value[length..])
}

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn rules_go_to_their_elements_by_weight() {
        let html = "<html><head><style>/* c */ p { color: red; margin: 0 } .big { font-size: 20px; color: blue }\
            #one { color: green } td b, a:hover { font-weight: 700 } @media (max-width: 5px) { p { color: black } }\
            p { padding: 1px !important }</style></head><body><p>a</p><p class='x big'>b</p>\
            <p class=big id=one style=\"color: pink; padding: 2px\">c</p><table><tr><td><i><b>d</b></i></td></tr></table><b>e</b>\
            <img class=\"big\"/></body></html>";
        let inlined = inline(html);
        for part in [
            "<p style=\"color:red;margin:0;padding:1px\">a</p>",
            "<p class='x big' style=\"margin:0;padding:1px;font-size:20px;color:blue\">b</p>",
            "<p class=big id=one style=\"margin:0;padding:1px;font-size:20px;color:pink\">c</p>",
            "<b style=\"font-weight:700\">d</b>",
            "<b>e</b>",
            "<img class=\"big\" style=\"font-size:20px;color:blue\"/>",
            "a:hover { font-weight: 700 }",
            "@media (max-width: 5px) { p { color: black } }",
        ] {
            assert!(inlined.contains(part), "{part:?} in {inlined}");
        }
        assert!(!inlined.contains("/* c */") && !inlined.contains("#one"), "{inlined}");
    }

    #[test]
    fn what_has_no_rules_or_is_broken_stays_as_it_is() {
        for html in
            ["<p>a</p>", "<style>p { color: red }", "<style>@import 'x';</style><p>", "a < b", "<p", ""]
        {
            assert_eq!(inline(html), html);
        }
        for html in [
            "<style>p {</style><p>",
            "<style>}</style><p>",
            "<style>p{a:b}</style></p></p><p",
            "<style>é{x:y}</style><é>",
        ] {
            let _ = inline(html);
        }
        assert_eq!(
            inline("<style>p{background:url(\"data:a;b,c\");color:red}</style><p>"),
            "<p style=\"background:url('data:a;b,c');color:red\">"
        );
    }
}
