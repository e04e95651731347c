//! What this crate reads and writes by hand, before inputs that nearly fit: so many cases each, whenever the tests run.
#![cfg(all(feature = "rest", feature = "soap"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod answers;
mod descriptions;
mod links;
mod multipart;
mod xml;

/// The text of errors must not hold this, wherever inputs do.
const CANARY: &str = "s3cret!";

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// What XML is made of, and what nearly is.
const XML: &[&str] = &[
    "<a>",
    "</a>",
    "<a/>",
    "<b:c xmlns:b='urn:b'>",
    "</b:c>",
    "<a b='c' d=\"e\">",
    "<a b='&lt;&#x41;'>",
    "<!DOCTYPE a",
    "<!ENTITY x 'y'>",
    "[",
    "]>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "--",
    "<?xml version='1.0'?>",
    "<?pi",
    "?>",
    "encoding='utf-16'",
    "encoding='latin1'",
    "&lt;",
    "&amp;",
    "&#0;",
    "&#13;",
    "&#xFFFFFFFFF;",
    "&x;",
    "&",
    ";",
    "<",
    ">",
    "/",
    "'",
    "\"",
    "=",
    " ",
    "\n",
    "\r\n",
    "xmlns=''",
    "xmlns:xml='urn:x'",
    CANARY,
    "\u{0}",
    "\u{FFFE}",
    "ä",
    "\u{10FFFF}",
    "a:b:c",
    ":",
];
