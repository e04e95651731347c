//! What only the storage client has.
fn main() {}
