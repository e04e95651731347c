//! What keys promise: whatever parses, round-trips.

use external_core::ErrorKind;
use external_core::storage::{ObjectKey, PutRequest};

use super::S;
use super::store::Store;
use crate::{Clause, Verdict, clause, ensure, ensure_eq, ensure_error};

fn odd() -> Vec<String> {
    let mut names: Vec<String> = [
        "with space",
        " leading and trailing ",
        "tab\there",
        "line\nbreak",
        "bell\u{7}",
        "del\u{7f}",
        "quote\"'`",
        "%",
        "%2F",
        "%00",
        "100%",
        "a+b",
        "a&b=c?d#e",
        "back\\slash",
        "..a",
        "a..",
        "...",
        "a/.../b",
        ".hidden",
        "dir/.hidden",
        "~",
        "*?[x]",
        "<xml>&amp;",
        "{curly}",
        "semi;colon",
        "comma,",
        "colon:",
        "pipe|",
        "caret^",
        "dollar$HOME",
        "-rf",
        "--help",
        "CON",
        "aux.txt",
        "trailing.",
        "ключ",
        "鍵/かぎ",
        "🔑",
        "e\u{301}",
        "\u{202e}rtl",
        "a\u{a0}b",
        "\u{fffd}",
        "name.tmp",
        "name.meta",
        "name.json",
        ".meta",
        "_",
        "@",
        "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
    ]
    .map(str::to_owned)
    .into();
    names.push("s".repeat(255));
    names.push(format!("{}/{}", "d".repeat(255), "f".repeat(255)));
    names.push("é".repeat(150));
    names.push("l".repeat(600));
    names
}

pub(super) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!(
            "storage.key.1",
            "Every key that parses can be put, read, listed and deleted under that very name: non-ASCII text, control characters, spaces, `%`, `\\`, a leading dot, `a` beside `a/b`, segments of 255 bytes and more.",
            |case| {
                let store = Store::of(case);
                let mut names = odd();
                names.extend(["beside".to_owned(), "beside/a".to_owned(), "beside/a/b".to_owned()]);
                // The longest key there is.
                names.push("x".repeat(external_core::storage::MAX_KEY_BYTES - case.name("").len()));
                let names = store.fitting(&names);
                for name in &names {
                    store.put(name, format!("body of {name}")).await?;
                }
                let mut expected = names.clone();
                expected.sort_unstable();
                // In pages too, so that each of them has its turn to be where the next page begins.
                for limit in [1000, 2, 3] {
                    let listed = store.names(store.listing("").with_limit(limit)).await?;
                    ensure_eq("the keys listed", &listed, &expected)?;
                }
                for name in &names {
                    store.holds(name, format!("body of {name}").as_bytes()).await?;
                }
                for (n, name) in names.iter().enumerate() {
                    store.delete(name).await?;
                    store.lacks(name).await?;
                    if let Some(next) = names.get(n + 1) {
                        store.holds(next, format!("body of {next}").as_bytes()).await?;
                    }
                }
            }
        ),
        clause!(
            "storage.key.2",
            "Keys that differ in letter case or in Unicode normalisation are different objects.",
            |case| {
                let store = Store::of(case);
                let names = [
                    "key", "Key", "KEY", "é", "e\u{301}", "ﬁ", "fi", "ß", "ss", "İ", "i", "a b", "a\u{a0}b",
                    "a", "a ",
                ];
                for name in names {
                    store.put(name, format!("body of {name:?}")).await?;
                }
                for name in names {
                    store.holds(name, format!("body of {name:?}").as_bytes()).await?;
                }
                ensure_eq("the number of keys", &store.names(store.listing("")).await?.len(), &names.len())?;
            }
        ),
        clause!(
            "storage.key.3",
            "What is no key is refused when it is parsed, alike for every provider: empty, above 1024 bytes, a NUL, a leading or trailing `/`, a segment that is empty, `.` or `..`.",
            |case: S| {
                let long = "k".repeat(1025);
                for text in [
                    "", "/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "./a", "../a", "a/../b", "a\0b",
                    &long,
                ] {
                    refused(text)?;
                }
                // And it must not go in by the back door of a prefix either: nothing outside is listed.
                let store = Store::of(case);
                store.put("inside", "x").await?;
                let above =
                    store.names(external_core::storage::ListRequest::new("../")).await.unwrap_or_default();
                ensure(above.is_empty(), "no object above the store", format!("{above:?}"))?;
                let key = ObjectKey::parse(case.name("inside"))?;
                case.service().put(&case.cx(), &PutRequest::new(key, "y")).await?;
                store.holds("inside", b"y").await?;
            }
        ),
    ]
}

fn refused(text: &str) -> Verdict {
    let what = format!("the key {:?}", text.chars().take(20).collect::<String>());
    ensure_error(&what, ObjectKey::parse(text), ErrorKind::InvalidArgument).map(drop)
}
