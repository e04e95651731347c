//! What errors may show of what a server said: its codes, where they are codes. All else may repeat what was sent.

/// A code, as an error shows it: codes are short and plain, and what is not may be anything.
pub(crate) fn code(code: &str) -> &str {
    let is_plain =
        code.len() <= 64 && code.chars().all(|c| c.is_ascii_alphanumeric() || "_-./: ".contains(c));
    if is_plain { code } else { "a code of its own" }
}
