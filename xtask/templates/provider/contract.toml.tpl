# How the contract suite makes this provider: from configuration, as a user would.
#
# Until there is something to talk to it is built where nobody listens, so that each clause tells the next step. Then it
# takes a server, whose address comes from the environment (xtask/src/servers/ starts it), or a simulator:
#
#   lane = "server"
#   needs = ["EXTERNAL_TEST_{{ID}}_URL"]
#   config = { url = "${EXTERNAL_TEST_{{ID}}_URL}" }
#   backend = "{{id}}"
#
# crates/external-contract/README.md describes every field.

[[target]]
name = "plain"
lane = "embedded"
config = { url = "http://127.0.0.1:1" }
missing = { url = "http://127.0.0.1:1" }
proxy = "url"
