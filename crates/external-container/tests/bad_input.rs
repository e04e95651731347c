//! Every way in which a configuration can be wrong, with the whole message that it gets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its ground gives way")]

mod support;

use external_container::Container;
use support::registry;

/// The message of a configuration that must be refused.
fn refused(text: &str) -> String {
    refused_with(text, &[])
}

fn refused_with(text: &str, variables: &[(&str, &str)]) -> String {
    let builder = Container::builder().domain(registry()).ignore("app").env(variables.iter().copied());
    let error = builder.from_str("service.toml", text).expect_err("must be refused");
    assert_eq!(error.kind(), external_core::ErrorKind::Configuration);
    let report = error.report();
    assert!(!report.contains("hunter2"), "a secret is shown: {report}");
    error.to_string()
}

#[track_caller]
fn same(seen: impl AsRef<str>, expected: &str) {
    assert_eq!(seen.as_ref(), expected);
}

#[test]
fn what_is_not_toml() {
    same(
        refused("[echo.default]\nprovider = radio"),
        "configuration: not TOML: string values must be quoted, expected literal string (at=service.toml:2:12)",
    );
    same(
        refused("[echo.default]\npassword = hunter2"),
        "configuration: not TOML: string values must be quoted, expected literal string (at=service.toml:2:12)",
    );
    same(
        refused("[echo.default]\n[echo.default]\n"),
        "configuration: not TOML: duplicate key (at=service.toml:2:7)",
    );
}

#[test]
fn an_unknown_top_level_table() {
    same(
        refused("[ecco.default]\nprovider = 'far'"),
        "configuration: unknown top-level key `ecco`: known are echo, mode, tls, app; a table of the service's own is \
         named by .ignore(..) (key=ecco, at=service.toml:1:2)",
    );
    same(
        refused_with("", &[("EXTERNAL__ECCO__DEFAULT__PROVIDER", "far")]),
        "configuration: unknown top-level key `ecco`: known are echo, mode, tls, app; a table of the service's own is \
         named by .ignore(..) (key=ecco, at=environment variable EXTERNAL__ECCO__DEFAULT__PROVIDER)",
    );
}

#[test]
fn a_domain_that_is_no_table_of_tables() {
    same(
        refused("echo = 5"),
        "configuration: expected tables such as [echo.default], found an integer (key=echo, at=service.toml:1:8)",
    );
    same(
        refused("[echo]\nprovider = 'far'\nprefix = 'a'"),
        "configuration: an instance needs a name: write [echo.default] instead of [echo] (key=echo.provider, at=service.toml:2:12)",
    );
    same(
        refused("[echo]\ndefault = 5"),
        "configuration: expected the table of an instance, found an integer (key=echo.default, at=service.toml:2:11)",
    );
}

#[test]
fn a_name_that_no_variable_can_say() {
    for (name, shown) in
        [("Loud", "Loud"), ("1st", "1st"), ("\"a b\"", "a b"), ("\"\"", ""), ("so-so", "so-so")]
    {
        same(
            refused(&format!("[echo.{name}]\nprovider = 'far'")),
            &format!(
                "configuration: the name of an instance must match [a-z][a-z0-9_]*, `{shown}` does not (key=echo.{shown}, at=service.toml:1:7)"
            ),
        );
    }
}

#[test]
fn a_provider_that_is_not_there() {
    same(
        refused("[echo.default]\nprefix = 'a'"),
        "configuration: missing field `provider`, one of memory, far (key=echo.default, at=service.toml:1:1)",
    );
    same(
        refused("[echo.default]\nprovider = 'radio'"),
        "configuration: no echo provider has this id; compiled in: memory, far (key=echo.default.provider, at=service.toml:2:12)",
    );
    same(
        refused("[echo.default]\nprovider = 'carrier_pigeon'"),
        "configuration: no echo provider `carrier_pigeon`; compiled in: memory, far; add the feature `carrier_pigeon` of \
         external-echo to have it (key=echo.default.provider, at=service.toml:2:12)",
    );
    same(
        refused("[echo.default]\nprovider = 7"),
        "configuration: expected a string, found an integer (key=echo.default.provider, at=service.toml:2:12)",
    );
}

#[test]
fn fields_that_do_not_fit() {
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = 'a'\nprefiks = 'b'"),
        "configuration: unknown field `prefiks`, expected one of `prefix`, `port`, `password`, `url`, `pool`, `slow`, `next` \
         (key=echo.default.prefiks, at=service.toml:4:1)",
    );
    same(
        refused("\n[echo.default]\nprovider = 'far'"),
        "configuration: missing field `prefix` (key=echo.default, at=service.toml:2:1)",
    );
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = 'a'\nport = 70000"),
        "configuration: invalid value: an integer, expected u16 (key=echo.default.port, at=service.toml:4:8)",
    );
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = 'a'\npool = { size = 'big' }"),
        "configuration: invalid type: a string, expected u32 (key=echo.default.pool.size, at=service.toml:4:17)",
    );
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = ''"),
        "configuration: the prefix is empty (key=echo.default.prefix, at=service.toml:3:10)",
    );
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = 'a'\n[echo.default.client]\nsufix = 'b'"),
        "configuration: unknown field `sufix`, expected `suffix` or `mood` (key=echo.default.client.sufix, at=service.toml:5:1)",
    );
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = 'a'\nclient = 5"),
        "configuration: invalid type: an integer, expected struct EchoSettings (key=echo.default.client, at=service.toml:4:10)",
    );
}

#[test]
fn a_policy_that_does_not_fit() {
    same(
        refused(
            "[echo.default]\nprovider = 'far'\nprefix = 'a'\n[echo.default.resilience]\nmax_attempts = 0",
        ),
        "configuration: 0 is out of range: 1 to 20 (key=echo.default.resilience.max_attempts, at=service.toml:5:16)",
    );
    same(
        refused(
            "[echo.default]\nprovider = 'far'\nprefix = 'a'\n[echo.default.resilience.operations.echo]\nretries = 0",
        ),
        "configuration: unknown field `retries`, expected one of `total_deadline`, `attempt_timeout`, `max_attempts`, \
         `hedge_after`, `hedging` (key=echo.default.resilience.operations.echo.retries, at=service.toml:5:1)",
    );
    same(
        refused("[echo.default]\nprovider = 'far'\nprefix = 'a'\nresilience.total_deadline = 5"),
        "configuration: invalid type: an integer, expected a duration such as \"250ms\", \"5s\" or \"2m\" (key=echo.default.resilience.total_deadline, at=service.toml:4:29)",
    );
}

#[test]
fn a_variable_that_does_not_fit() {
    let file = "[echo.default]\nprovider = 'far'\nprefix = 'a'";
    same(
        refused_with(file, &[("EXTERNAL__ECHO__DEFAULT__PORT", "many")]),
        "configuration: invalid type: a string, expected u16 (key=echo.default.port, at=environment variable \
         EXTERNAL__ECHO__DEFAULT__PORT)",
    );
    same(
        refused_with(file, &[("EXTERNAL__ECHO__DEFAULT__PREFIX", "5")]),
        "configuration: invalid type: an integer, expected a string (key=echo.default.prefix, at=environment variable \
         EXTERNAL__ECHO__DEFAULT__PREFIX)",
    );
    same(
        refused_with(file, &[("EXTERNAL__ECHO__DEFAULT__PREFIX__X", "5")]),
        "configuration: the variable sets a key in `echo.default.prefix`, which is a string (at=environment variable \
         EXTERNAL__ECHO__DEFAULT__PREFIX__X, set=service.toml:3:10)",
    );
    same(
        refused_with(file, &[("EXTERNAL__ECHO____PREFIX", "5")]),
        "configuration: the name of the variable has an empty part (at=environment variable EXTERNAL__ECHO____PREFIX)",
    );
}

#[test]
fn a_secret_that_is_not_there_or_not_text() {
    let with = |password: &str| {
        refused(&format!("[echo.default]\nprovider = 'far'\nprefix = 'a'\npassword = {password}"))
    };
    same(
        with("{ env = 'ECHO_PASSWORD' }"),
        "configuration: environment variable of a secret is not set or empty (variable=ECHO_PASSWORD, key=echo.default.password, at=service.toml:4:12)",
    );
    same(
        with("{ vault = 'x' }"),
        "configuration: unknown field `vault`, expected `env` or `file` (key=echo.default.password, at=service.toml:4:12)",
    );
    same(
        with("12345"),
        "configuration: a secret must be text: put it in quotes (key=echo.default.password, at=service.toml:4:12)",
    );
}

#[test]
fn a_mode_that_there_is_not() {
    same(
        refused("mode = 'testing'"),
        "configuration: unknown variant, expected `production` or `development` (key=mode, at=service.toml:1:8)",
    );
}

#[test]
fn a_requirement_that_is_not_met() {
    let with = |requires: &str| {
        refused(&format!("[echo.default]\nprovider = 'far'\nprefix = 'a'\nrequires = {requires}"))
    };
    same(
        with("['loud', 'twice']"),
        "configuration: the provider `far` does not support `twice`, which this instance requires \
         (key=echo.default.requires, at=service.toml:4:21)",
    );
    same(
        with("['lout']"),
        "configuration: unknown capability `lout`: known are loud, late, twice (key=echo.default.requires, at=service.toml:4:13)",
    );
    same(
        with("'loud'"),
        "configuration: expected an array of capability names, found a string (key=echo.default.requires, at=service.toml:4:12)",
    );
    same(
        with("[7]"),
        "configuration: expected a string, found an integer (key=echo.default.requires[0], at=service.toml:4:13)",
    );
}

#[test]
fn instances_in_a_ring() {
    same(
        refused(
            "[echo.one]\nprovider = 'far'\nprefix = '1'\nnext = 'two'\n[echo.two]\nprovider = 'far'\nprefix = '2'\nnext = 'three'\n\
             [echo.three]\nprovider = 'far'\nprefix = '3'\nnext = 'two'",
        ),
        "configuration: instances need each other in a ring: echo.two -> echo.three -> echo.two (key=echo.three, at=service.toml:9:1)",
    );
    same(
        refused("[echo.one]\nprovider = 'far'\nprefix = '1'\nnext = 'one'"),
        "configuration: instances need each other in a ring: echo.one -> echo.one (key=echo.one, at=service.toml:1:1)",
    );
}

#[test]
fn an_instance_made_of_one_that_is_missing() {
    same(
        refused("[echo.one]\nprovider = 'far'\nprefix = '1'\nnext = 'two'"),
        "configuration: no such instance: add the table [echo.two] with a provider, one of memory, far (key=echo.two)",
    );
}

#[test]
fn a_file_that_is_not_there() {
    let error = Container::builder().domain(registry()).from_file("/nowhere/service.toml").unwrap_err();
    same(
        error.to_string(),
        "configuration: the configuration file cannot be read (file=/nowhere/service.toml)",
    );
    assert!(error.report().contains("No such file or directory"), "{}", error.report());
}

#[test]
fn a_program_that_is_wrong() {
    let twice = Container::builder().domain(registry()).domain(registry()).build().unwrap_err();
    same(twice.to_string(), "configuration: a domain is registered twice (domain=echo)");
    let rows = Container::builder()
        .domain(registry().with(support::OUTSIDER).with(support::OUTSIDER))
        .build()
        .unwrap_err();
    assert!(rows.to_string().contains("two providers are registered under one id"), "{rows}");
    let given = Container::builder()
        .with::<support::EchoClient>("a", support::memory("1"))
        .with::<support::EchoClient>("a", support::memory("2"))
        .build()
        .unwrap_err();
    same(given.to_string(), "configuration: an instance is given twice (key=echo.a)");
}

#[cfg(not(feature = "yaml"))]
#[test]
fn yaml_without_its_feature() {
    let error = Container::builder().from_str("service.yaml", "").unwrap_err();
    same(
        error.to_string(),
        "configuration: YAML needs the feature `yaml` of external-container (file=service.yaml)",
    );
}

#[cfg(feature = "yaml")]
#[test]
fn yaml_has_places_too() {
    let text = "echo:\n  default:\n    provider: far\n    prefix: a\n    port: many\n";
    let error = Container::builder().domain(registry()).from_str("service.yaml", text).unwrap_err();
    same(
        error.to_string(),
        "configuration: invalid type: a string, expected u16 (key=echo.default.port, at=service.yaml:5:11)",
    );
}
