# How the contract suite makes this provider: from configuration, as a user would. The back ends are the suite's own
# origin, which tests/contract.rs starts; where it can do TLS, a second target takes ${ORIGIN_TLS}, as reqwest's does.
#
# crates/external-contract/README.md describes every field.

[[target]]
name = "plain"
lane = "simulator"
config = { url = "${ORIGIN}" }
missing = { url = "http://127.0.0.1:1" }
proxy = "url"
