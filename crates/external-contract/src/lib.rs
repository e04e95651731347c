//! The contract suites: one set of numbered clauses run against every provider of a contract.
