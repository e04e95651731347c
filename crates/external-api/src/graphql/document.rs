//! What a document is, as far as that decides what may be repeated: the kind of the operation that is meant.

/// The kinds of operations (GraphQL, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Query,
    Mutation,
    Subscription,
}

/// The kind of the operation of that name, or of the only one. Where a document does not tell, it is a mutation if any is in
/// it; else the server shall say what is wrong.
pub(super) fn kind(document: &str, name: Option<&str>) -> Option<Kind> {
    let all = operations(document);
    let mut meant = all.iter().filter(|operation| name.is_none() || operation.name == name);
    match (meant.next(), meant.next()) {
        (Some(one), None) => Some(one.kind),
        _ => all.iter().any(|operation| operation.kind == Kind::Mutation).then_some(Kind::Mutation),
    }
}

struct Operation<'a> {
    kind: Kind,
    name: Option<&'a str>,
}

/// Every operation of a document. A definition ends with the brace that closes it.
fn operations(document: &str) -> Vec<Operation<'_>> {
    let mut found: Vec<Operation<'_>> = Vec::new();
    let (mut depth, mut is_between, mut may_be_named) = (0_usize, true, false);
    let mut rest = document;
    while let Some(token) = token(&mut rest) {
        let is_named = std::mem::take(&mut may_be_named);
        match token {
            Token::Open(bracket) => {
                if depth == 0 && is_between && bracket == '{' {
                    found.push(Operation { kind: Kind::Query, name: None });
                }
                is_between = false;
                depth += 1;
            }
            Token::Close(bracket) => {
                depth = depth.saturating_sub(1);
                is_between = depth == 0 && bracket == '}';
            }
            Token::Name(word) if depth == 0 && is_between => {
                is_between = false;
                let kind = match word {
                    "query" => Kind::Query,
                    "mutation" => Kind::Mutation,
                    "subscription" => Kind::Subscription,
                    _ => continue,
                };
                found.push(Operation { kind, name: None });
                may_be_named = true;
            }
            Token::Name(word) if is_named => {
                if let Some(last) = found.last_mut() {
                    last.name = Some(word);
                }
            }
            Token::Name(_) | Token::Other => {}
        }
    }
    found
}

enum Token<'a> {
    Name(&'a str),
    Open(char),
    Close(char),
    Other,
}

/// Takes the next token; strings are `Other`, comments are none.
fn token<'a>(rest: &mut &'a str) -> Option<Token<'a>> {
    loop {
        let text = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == '\u{feff}');
        let first = text.chars().next()?;
        let (token, length) = match first {
            '#' => {
                *rest = &text[text.find(['\n', '\r']).unwrap_or(text.len())..];
                continue;
            }
            '"' => (Token::Other, string(text)),
            '{' | '(' | '[' => (Token::Open(first), 1),
            '}' | ')' | ']' => (Token::Close(first), 1),
            'A'..='Z' | 'a'..='z' | '_' => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let length = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
                (Token::Name(&text[..length]), length)
            }
            other => (Token::Other, other.len_utf8()),
        };
        *rest = &text[length..];
        return Some(token);
    }
}

/// How long the string is that a text begins with. One that does not end takes all that is left.
fn string(text: &str) -> usize {
    let (mark, escape) = if text.starts_with("\"\"\"") { ("\"\"\"", "\\\"\"\"") } else { ("\"", "\\") };
    let mut at = mark.len();
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(mark) {
            return at + mark.len();
        }
        at += match rest.starts_with(escape) {
            // Of a short string the character behind the backslash is escaped, whatever it is.
            true if escape.len() == 1 => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            true => escape.len(),
            false => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_operation_that_is_meant_says_what_it_is() {
        for (document, name, is) in [
            ("{ user { name } }", None, Some(Kind::Query)),
            ("query { a }", None, Some(Kind::Query)),
            ("mutation { forget }", None, Some(Kind::Mutation)),
            (
                "\u{feff}# mutation\n mutation Forget($a: In = {b: [1]}) @x(y: {z: 1}) { forget }",
                None,
                Some(Kind::Mutation),
            ),
            ("subscription S { news }", None, Some(Kind::Subscription)),
            ("fragment mutation on User { name } query { user { ...mutation } }", None, Some(Kind::Query)),
            ("query A { mutation { b } } mutation B { c }", Some("A"), Some(Kind::Query)),
            ("query A { a } mutation B { c }", Some("B"), Some(Kind::Mutation)),
            ("query @mutation { a }", None, Some(Kind::Query)),
            (r#"query { a(text: "} mutation B {") }"#, None, Some(Kind::Query)),
            (r#"query { a(text: "\"} mutation {") }"#, None, Some(Kind::Query)),
            ("query { a(text: \"\"\"\n\\\"\"\" } mutation { \" \"\"\") }", None, Some(Kind::Query)),
            // It does not tell which: the worst of them.
            ("query A { a } mutation B { c }", None, Some(Kind::Mutation)),
            ("query A { a } mutation B { c }", Some("C"), Some(Kind::Mutation)),
            ("query A { a } query B { c }", None, None),
            ("no GraphQL", None, None),
            ("", None, None),
        ] {
            assert_eq!(kind(document, name), is, "{document} {name:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_there_is_an_answer(text in r#"[ \n"\\{}()#a-zé@$,]{0,60}(mutation|query|"""|\\)?[ "{}é]{0,20}"#) {
            kind(&text, None);
        }
    }
}
