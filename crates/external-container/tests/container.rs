//! What a container does with a configuration that is right.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends where its ground gives way")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_container::{Container, ContainerBuilder, HealthStatus, Mode};
use external_core::{BuildContext, ErrorKind, ProviderEntry, ProviderKind};
use external_resilience::{CallObserver, CallRecord, Domain};
use support::{CLOSED, EchoClient, EchoService, OUTSIDER, memory, registry};

const SECOND: Duration = Duration::from_secs(1);

fn builder() -> ContainerBuilder {
    Container::builder().domain(registry()).env([("ECHO_PASSWORD", "hunter2")])
}

#[tokio::test]
async fn gives_named_clients_that_share_what_they_are() {
    let container = builder()
        .from_str(
            "s.toml",
            "[echo.default]\nprovider = 'far'\nprefix = '>'\n[echo.loud]\nprovider = 'far'\nprefix = '>>'\nclient.suffix = '!'",
        )
        .unwrap();
    let plain: EchoClient = container.get_default().unwrap();
    let loud: EchoClient = container.get("loud").unwrap();
    assert_eq!(plain.echo("a").await.unwrap(), ">a");
    assert_eq!(loud.echo("a").await.unwrap(), ">>a!");
    assert_eq!(container.mode(), Mode::Production);
}

#[test]
fn a_missing_instance_names_the_table_to_add() {
    let container = builder().from_str("s.toml", "").unwrap();
    let error = container.get::<EchoClient>("loud").err().unwrap();
    assert_eq!(
        error.to_string(),
        "configuration: no such instance: add the table [echo.loud] with a provider, one of memory, far (key=echo.loud)"
    );
    let error = Container::builder().build().unwrap().get::<EchoClient>("loud").err().unwrap();
    assert!(error.to_string().contains("add .domain(external_echo::registry())"), "{error}");
}

#[tokio::test]
async fn variables_and_policies_are_laid_over() {
    let container = builder()
        .env([("EXTERNAL__ECHO__DEFAULT__PREFIX", "env "), ("EXTERNAL__ECHO__DEFAULT__RESILIENCE__MAX_ATTEMPTS", "7")])
        .from_str("s.toml", "[echo.default]\nprovider = 'far'\nprefix = 'file '\nresilience.operations.echo.attempt_timeout = '3s'")
        .unwrap();
    let client: EchoClient = container.get_default().unwrap();
    assert_eq!(client.echo("a").await.unwrap(), "env a");
    assert_eq!(client.policy().retry.max_attempts, 7);
    assert_eq!(client.policy().operations[0].0, "echo");
    assert_eq!(client.policy().operations[0].1.attempt_timeout, Some(3 * SECOND));
}

#[tokio::test]
async fn development_mode_fills_what_is_missing() {
    for container in [
        Container::development().domain(registry()).env([("A", "B")]).build().unwrap(),
        builder().from_str("s.toml", "mode = 'development'\n[echo.bare]").unwrap(),
        builder().env([("EXTERNAL__MODE", "development")]).from_str("s.toml", "").unwrap(),
    ] {
        assert_eq!(container.mode(), Mode::Development);
        for name in ["default", "bare", "never_heard_of"] {
            let client: EchoClient = container.get(name).unwrap();
            assert_eq!(client.echo("a").await.unwrap(), "memory a");
        }
        assert!(container.get::<EchoClient>("No Name").is_err());
    }
}

#[test]
fn development_mode_fills_in_settings_where_it_chooses_the_provider() {
    let file = "mode = 'development'\n[echo.silent]\n[echo.own]\nclient.mood = 'grave'\n[echo.more]\nclient.suffix = '!'\n\
                [echo.chosen]\nprovider = 'far'\nprefix = 'p'";
    let container = builder().from_str("s.toml", file).unwrap();
    let mood = |name: &str| container.get::<EchoClient>(name).unwrap().settings.mood;
    let playful = Some("playful".to_owned());
    assert_eq!((mood("default"), mood("silent"), mood("more")), (playful.clone(), playful.clone(), playful));
    assert_eq!((mood("own").as_deref(), mood("chosen")), (Some("grave"), None));
    let explained = container.explain();
    assert!(explained.contains("mood = \"playful\"  # filled in by development mode"), "{explained}");
}

#[tokio::test]
async fn takes_providers_from_outside_and_clients_of_the_program() {
    let container = Container::builder()
        .domain(registry().with(OUTSIDER))
        .with::<EchoClient>("given", memory("given "))
        .env([("A", "B")])
        .from_str(
            "s.toml",
            "[echo.a]\nprovider = 'outsider'\nprefix = 'out '\nnext = 'given'\n[echo.given]\nprovider = 'carrier_pigeon'",
        )
        .unwrap();
    let client: EchoClient = container.get("a").unwrap();
    assert_eq!(client.echo("b").await.unwrap(), "out given b");
}

#[test]
fn a_composite_leaves_to_its_members_what_its_table_does_not_state() {
    let composite = ProviderEntry { id: "all", kind: ProviderKind::Composite, ..OUTSIDER };
    let file = "[echo.all]\nprovider = 'all'\nprefix = 'a'\nnext = 'one'\n[echo.one]\nprovider = 'far'\nprefix = 'b'\n\
                [echo.own]\nprovider = 'all'\nprefix = 'c'\nnext = 'one'\n[echo.own.resilience]\nattempt_timeout = '3s'\n\
                retry_after_gate = true\nbreaker = { open_for = '1s' }";
    let container = Container::builder()
        .domain(registry().with(composite))
        .env([("A", "B")])
        .from_str("s.toml", file)
        .unwrap();
    let policy = |name: &str| container.get::<EchoClient>(name).unwrap().policy().clone();
    let (all, one, own) = (policy("all"), policy("one"), policy("own"));
    assert_eq!(all, <EchoClient as Domain>::policy().for_composite());
    assert_eq!(one, <EchoClient as Domain>::policy());
    assert_eq!((own.attempt_timeout, own.retry_after_gate), (Some(3 * SECOND), true));
    assert_eq!(own.breaker.map(|breaker| breaker.open_for), Some(SECOND));
    assert_eq!((own.total_deadline, own.retry), (all.total_deadline, all.retry));
}

#[tokio::test]
async fn tls_settings_reach_the_providers() {
    const TLS: ProviderEntry<dyn EchoService> = ProviderEntry {
        id: "tls",
        feature: "",
        kind: ProviderKind::Remote,
        build: |_, context| Ok(memory(&format!("{:?}", context.tls().ca_file))),
        schema: || "{}".into(),
    };
    let container = Container::builder()
        .domain(registry().with(TLS))
        .env([("EXTERNAL__TLS__ONLY_CA_FILE", "true")])
        .from_str("s.toml", "[tls]\nca_file = '/etc/ca.pem'\n[echo.default]\nprovider = 'tls'")
        .unwrap();
    let client: EchoClient = container.get_default().unwrap();
    assert_eq!(client.echo("").await.unwrap(), "Some(\"/etc/ca.pem\")");
}

#[tokio::test]
async fn an_instance_is_built_after_what_it_is_made_of_and_closed_before() {
    let file = "[echo.front]\nprovider = 'far'\nprefix = 'order-front '\nnext = 'middle'\n\
                [echo.middle]\nprovider = 'far'\nprefix = 'order-middle '\nnext = 'back'\n\
                [echo.back]\nprovider = 'far'\nprefix = 'order-back '\nport = 3\n\
                [echo.other]\nprovider = 'far'\nprefix = 'order-other '";
    let container = builder().from_str("s.toml", file).unwrap();
    let front: EchoClient = container.get("front").unwrap();
    assert_eq!(front.echo("x").await.unwrap(), "order-front order-middle order-back x");
    let report = container.shutdown(SECOND).await;
    let names: Vec<&str> = report.instances.iter().map(|instance| instance.instance.as_str()).collect();
    assert_eq!(names, ["other", "front", "middle", "back"]);
    let closed: Vec<String> =
        CLOSED.lock().unwrap().iter().filter(|prefix| prefix.starts_with("order")).cloned().collect();
    assert_eq!(closed, ["order-other ", "order-front ", "order-middle ", "order-back "]);
    assert!(!report.is_clean());
    assert!(report.to_string().contains("echo.back (far): 0 calls and 0 clean-ups left; "), "{report}");
    assert!(report.to_string().contains("echo.front (far): closed"), "{report}");
    assert_eq!(front.echo("x").await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(container.get::<EchoClient>("front").err().unwrap().kind(), ErrorKind::Closed);
    assert!(container.shutdown(SECOND).await.instances.is_empty());
    assert!(!container.health(SECOND).await.is_up());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_at_its_deadline_and_counts_what_is_left() {
    let file = "[echo.slow]\nprovider = 'far'\nprefix = 's'\nslow = '1h'\n[echo.quick]\nprovider = 'far'\nprefix = 'q'";
    let container = builder().from_str("s.toml", file).unwrap();
    let slow: EchoClient = container.get("slow").unwrap();
    let running = tokio::spawn(async move { slow.echo("x").await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let started = tokio::time::Instant::now();
    let report = container.shutdown(2 * SECOND).await;
    assert!(started.elapsed() <= 2 * SECOND + Duration::from_millis(50));
    assert_eq!(report.instances[1].report.calls_left, 1);
    assert!(report.instances[0].report.is_clean());
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn health_probes_side_by_side_within_the_deadline() {
    let file = "[echo.up]\nprovider = 'far'\nprefix = 'a'\nslow = '800ms'\n[echo.also]\nprovider = 'far'\nprefix = 'a'\nslow = '900ms'\n\
                [echo.stuck]\nprovider = 'far'\nprefix = 'a'\nslow = '1h'\n[echo.down]\nprovider = 'far'\nprefix = 'a'\nport = 1\n\
                [echo.mute]\nprovider = 'far'\nprefix = 'a'\nport = 2";
    let container = builder().from_str("s.toml", file).unwrap();
    let started = tokio::time::Instant::now();
    let health = container.health(SECOND).await;
    assert!(started.elapsed() <= SECOND + Duration::from_millis(50), "{:?}", started.elapsed());
    let status =
        |name: &str| &health.instances.iter().find(|instance| instance.instance == name).unwrap().status;
    assert!(matches!(status("up"), HealthStatus::Up));
    assert!(matches!(status("also"), HealthStatus::Up));
    assert!(matches!(status("stuck"), HealthStatus::Down(error) if error.kind() == ErrorKind::Timeout));
    assert!(matches!(status("down"), HealthStatus::Down(error) if error.kind() == ErrorKind::Unavailable));
    assert!(matches!(status("mute"), HealthStatus::Unknown));
    assert!(!health.is_up());
    assert!(health.to_string().contains("echo.down (far, far://a): down: "), "{health}");
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl CallObserver for Heard {
    fn on_call(&self, record: &CallRecord<'_>) {
        self.0.lock().unwrap().push(format!(
            "{} {} {}",
            record.instance,
            record.operation,
            record.outcome.as_str()
        ));
    }
}

#[tokio::test]
async fn observers_hear_of_every_call() {
    let (one, two) = (Arc::new(Heard::default()), Arc::new(Heard::default()));
    let container = builder()
        .observer(one.clone())
        .observer(two.clone())
        .from_str(
            "s.toml",
            "[echo.a]\nprovider = 'far'\nprefix = '>'\nnext = 'b'\n[echo.b]\nprovider = 'far'\nprefix = '>'",
        )
        .unwrap();
    container.get::<EchoClient>("a").unwrap().echo("x").await.unwrap();
    for heard in [one, two] {
        assert_eq!(*heard.0.lock().unwrap(), ["b echo.echo ok", "a echo.echo ok"]);
    }
}

/// What is logged while `work` runs.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = log.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn embedded_providers_are_warned_of_once_unless_in_development() {
    let file = "[echo.a]\nprovider = 'memory'\n[echo.b]\nprovider = 'memory'\n[echo.c]\nprovider = 'far'\nprefix = 'c'\n";
    let production = logged(|| drop(builder().from_str("s.toml", file).unwrap()));
    assert_eq!(production.lines().count(), 1, "{production}");
    assert!(production.contains("WARN"), "{production}");
    assert!(production.contains("echo.a (memory), echo.b (memory)"), "{production}");
    let development = format!("mode = 'development'\n{file}");
    assert_eq!(logged(|| drop(builder().from_str("s.toml", &development).unwrap())), "");
}

#[test]
fn explain_shows_the_tls_settings_of_all_instances() {
    let file = "[tls]\nca_file = '/etc/ca.pem'\nclient_key = 'hunter2'\n";
    let environment = [("EXTERNAL__TLS__ONLY_CA_FILE", "true")];
    let container = builder().env(environment).from_str("s.toml", file).unwrap();
    assert_eq!(
        container.explain(),
        r#"mode = "production"

[tls]
ca_file = "/etc/ca.pem"  # s.toml:2:11
client_key = ***  # s.toml:3:14
only_ca_file = true  # environment variable EXTERNAL__TLS__ONLY_CA_FILE
"#
    );
}

#[test]
fn explain_says_what_holds_and_where_it_was_said() {
    let file = "[echo.default]\nprovider = 'far'\nrequires = ['loud']\nprefix = 'file'\npassword = 'hunter2'\n\
                url = 'redis://app:hunter2@host:1/0'\npool.size = 5\nclient.suffix = '!'\n[echo.default.resilience]\nmax_attempts = 2\n\
                [echo.by_reference]\nprovider = 'far'\nprefix = 'r'\npassword = { env = 'ECHO_PASSWORD' }\n[app]\nkey = 'hunter2'";
    let container = builder()
        .env([("EXTERNAL__ECHO__DEFAULT__PREFIX", "env"), ("ECHO_PASSWORD", "hunter2")])
        .ignore("app")
        .with::<EchoClient>("given", memory("g"))
        .from_str("s.toml", file)
        .unwrap();
    assert_eq!(
        container.explain(),
        r#"mode = "production"

# [app] is the service's own and not shown

[echo.given]  # memory:
# provider "memory", given by the program

[echo.default]  # far://env
provider = "far"  # s.toml:2:12
requires = ["loud"]  # s.toml:3:13
prefix = "env"  # environment variable EXTERNAL__ECHO__DEFAULT__PREFIX
password = ***  # s.toml:5:12
url = "redis://app:***@host:1/0"  # s.toml:6:7
pool.size = 5  # s.toml:7:13
[echo.default.client]
suffix = "!"  # s.toml:8:17
[echo.default.resilience]
max_attempts = 2  # s.toml:10:16
total_deadline = "30s"  # default
attempt_timeout = "10s"  # default
backoff_base = "100ms"  # default
backoff_cap = "5s"  # default

[echo.by_reference]  # far://r
provider = "far"  # s.toml:12:12
prefix = "r"  # s.toml:13:10
password = { env = "ECHO_PASSWORD" }  # s.toml:14:12
[echo.by_reference.resilience]
total_deadline = "30s"  # default
attempt_timeout = "10s"  # default
max_attempts = 3  # default
backoff_base = "100ms"  # default
backoff_cap = "5s"  # default
"#
    );
    assert!(!format!("{container:?}").contains("hunter2"));
}

#[test]
fn the_schema_holds_every_provider() {
    let schema: serde_json::Value = serde_json::from_str(&builder().ignore("app").schema()).unwrap();
    let definitions = &schema["$defs"];
    let far = &definitions["echo.far"];
    assert_eq!(far["properties"]["prefix"]["type"], "string");
    assert_eq!(far["properties"]["provider"]["const"], "far");
    assert_eq!(far["properties"]["resilience"]["$ref"], "#/$defs/resilience");
    assert_eq!(far["properties"]["pool"]["$ref"], "#/$defs/echo.far.Pool");
    assert_eq!(definitions["echo.far.Pool"]["properties"]["size"]["type"], "integer");
    assert_eq!(definitions["echo.client"]["properties"]["suffix"]["type"], "string");
    assert!(schema["properties"]["app"].is_object() && schema["properties"]["tls"].is_object());
    let instance = &schema["properties"]["echo"]["patternProperties"]["^[a-z][a-z0-9_]*$"];
    assert_eq!(instance["properties"]["provider"]["enum"], serde_json::json!(["memory", "far"]));
    every_reference_leads_somewhere(&schema, &schema);
}

fn every_reference_leads_somewhere(schema: &serde_json::Value, root: &serde_json::Value) {
    match schema {
        serde_json::Value::Object(object) => {
            if let Some(target) = object.get("$ref").and_then(|target| target.as_str()) {
                let pointer = target.strip_prefix('#').unwrap();
                assert!(root.pointer(pointer).is_some(), "{target} leads nowhere");
            }
            object.values().for_each(|inner| every_reference_leads_somewhere(inner, root));
        }
        serde_json::Value::Array(items) => {
            items.iter().for_each(|item| every_reference_leads_somewhere(item, root));
        }
        _ => {}
    }
}

#[test]
fn what_a_provider_keeps_of_its_context_does_not_keep_the_container_alive() {
    let context = BuildContext::default().with_env([("A", "B")]);
    let container = Container::builder()
        .domain(registry())
        .context(context)
        .from_str("s.toml", "[echo.a]\nprovider = 'far'\nprefix = 'a'")
        .unwrap();
    let client: EchoClient = container.get("a").unwrap();
    drop(container);
    assert_eq!(client.policy().retry.max_attempts, 3);
}

#[cfg(feature = "yaml")]
#[tokio::test]
async fn reads_yaml() {
    let text =
        "echo:\n  default:\n    provider: far\n    prefix: '> '\n    resilience:\n      max_attempts: 2\n";
    let container = builder().from_str("service.yml", text).unwrap();
    let client: EchoClient = container.get_default().unwrap();
    assert_eq!(client.echo("a").await.unwrap(), "> a");
    assert_eq!(client.policy().retry.max_attempts, 2);
}
