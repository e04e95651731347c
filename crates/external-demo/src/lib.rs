//! The programs of the workspace's README, compiled and run as documentation tests.
//!
//! The demo itself is a program (`main.rs`); this library holds nothing else.
#![cfg_attr(doctest, doc = include_str!("../../../README.md"))]
