# How the contract suite makes this provider: from configuration, as a user would. Its simulator stands in for the vendor,
# which tests/contract.rs starts; where a real server can be had, lane = "server" takes its address from the environment.
#
# crates/external-contract/README.md describes every field.

[[target]]
name = "plain"
lane = "simulator"
needs = ["SIMULATOR_{{ID}}_URL"]
config = { api_key = "simulated-key", base_url = "${SIMULATOR_{{ID}}_URL}", insecure_http = true }
missing = { base_url = "http://127.0.0.1:1" }
denied = { api_key = "${CANARY}" }
proxy = "base_url"

[target.http]

[target.facts]
mailbox = "${SIMULATOR_{{ID}}_MAILBOX}"
