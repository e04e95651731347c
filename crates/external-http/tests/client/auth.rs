//! Credentials: put on requests, for one origin, and renewed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use external_contract::{Clause, clause, ensure, ensure_eq, ensure_error};
use external_http::auth::AuthSettings;
use external_http::external_core::config::Value;
use external_http::external_core::{CallContext, Section, async_trait};
use external_http::{
    ApiKeyAuth, BasicAuth, BearerAuth, BuildContext, Domain, Effect, ErrorKind, HmacAuth, HttpAuth,
    HttpClient, HttpRequest, HttpSettings, HttpTransport, MemoryAnswer, MemoryConfig, MemoryHttp, Method,
    OAuth2Auth, Policy, Secret, Statuses,
};

use super::S;

pub(crate) fn clauses() -> Vec<Clause<S>> {
    vec![
        clause!("http.auth.1", "Bearer, basic, key and signature are where their servers look for them.", |case| {
            let secret = || Secret::new("s3cret-of-a-client");
            let http = HttpClient::from(case.shared_service()).with_policy(Policy::off());
            let context = BuildContext::default();
            for (client, seen) in [
                (http.clone().with_auth(BearerAuth::new(secret())), "Bearer s3cret-of-a-client"),
                (http.clone().with_auth(BasicAuth::new("app", secret())?), "Basic YXBwOnMzY3JldC1vZi1hLWNsaWVudA=="),
                (http.clone().with_auth(ApiKeyAuth::in_header("x-api-key", secret())?), "[\"x-api-key\",\"s3cret-of-a-client\"]"),
                (http.clone().with_auth(ApiKeyAuth::in_query("key", secret())), "/echo/authorised?key=s3cret-of-a-client"),
                (http.clone().with_auth(HmacAuth::new("k1", secret(), &context)), "[\"x-key-id\",\"k1\"]"),
            ] {
                let told = client.get("/echo/authorised").await?.text().await?;
                ensure(told.contains(seen), format!("a request with {seen}"), told)?;
            }
        })
        .of_provider(),
        clause!("http.auth.2", "Credentials go to one origin: not where a redirect or another URL leads.", |case| {
            let _ = case;
            let elsewhere = "https://elsewhere.test/end";
            let double = MemoryHttp::new()
                .with_route(Method::GET, "/away", move |_| MemoryAnswer::new(302).with_header("location", elsewhere))
                .with_fallback(|_| MemoryAnswer::new(200));
            let settings = HttpSettings::new().with_max_redirects(2).with_redirect_host("elsewhere.test");
            let http = HttpClient::over(double).with_auth(BearerAuth::new(Secret::new("t"))).with_settings(settings)?;
            http.get("/away").await?;
            http.get("https://other.test/").await?;
            let double = http.provider::<MemoryHttp>().unwrap();
            let authorised: Vec<_> =
                double.received().iter().map(|request| request.header("authorization").is_some()).collect();
            ensure_eq("which requests bear the token", &authorised, &vec![true, false, false])?;
        })
        .of_provider(),
        clause!("http.auth.3", "Any number of callers without a token fetch one.", |case| {
            let _ = case;
            let (http, fetched) = tokens(3600, |_| MemoryAnswer::new(200));
            let calls = (0..50).map(|_| http.get("/api"));
            for answer in futures_util::future::join_all(calls).await {
                answer?;
            }
            ensure_eq("the tokens that were fetched", &fetched.load(Ordering::Relaxed), &1)?;
        })
        .of_provider(),
        clause!("http.auth.4", "A token that is refused is fetched anew, and the request sent once more; not twice.", |case| {
            let _ = case;
            let (http, fetched) = tokens(3600, |token| MemoryAnswer::new(if token == "Bearer token-1" { 401 } else { 200 }));
            http.get("/api").await?;
            http.get("/api").await?;
            ensure_eq("the tokens that were fetched", &fetched.load(Ordering::Relaxed), &2)?;
            ensure_eq("the requests of two calls", &asked(&http), &3)?;
            let (http, fetched) = tokens(3600, |_| MemoryAnswer::new(401));
            let error = ensure_error("a request that is refused again", http.get("/api").await, ErrorKind::Unauthenticated)?;
            ensure_eq("its effect", &error.effect(), &Effect::NotApplied)?;
            ensure_eq("the requests", &(asked(&http), fetched.load(Ordering::Relaxed)), &(2, 2))?;
            let answer = http.send(&HttpRequest::get("/api")?.with_statuses(Statuses::Any)).await?;
            ensure_eq("the status", &answer.status.as_u16(), &401)?;
        })
        .of_provider(),
        clause!("http.auth.5", "A token is renewed before it ends, and nobody fails while it still lives.", |case| {
            let _ = case;
            // Half of its life is the earliest: from then on the next call renews it.
            let (http, fetched) = tokens(2, |_| MemoryAnswer::new(200));
            http.get("/api").await?;
            http.get("/api").await?;
            ensure_eq("the tokens that were fetched", &fetched.load(Ordering::Relaxed), &1)?;
            let renewed = async {
                while fetched.load(Ordering::Relaxed) < 2 {
                    http.get("/api").await?;
                    tokio::task::yield_now().await;
                }
                Ok::<_, external_http::Error>(())
            };
            let began = tokio::time::Instant::now();
            tokio::time::timeout(Duration::from_secs(10), renewed).await.unwrap()?;
            ensure(began.elapsed() > Duration::from_millis(500), "no renewal at once", format!("{:?}", began.elapsed()))?;
        })
        .of_provider(),
        clause!("http.auth.6", "A token that cannot be had is an error that says that the request was not sent.", |case| {
            let _ = case;
            for (status, kind) in [(400, ErrorKind::Unauthenticated), (401, ErrorKind::Unauthenticated), (503, ErrorKind::Unavailable)] {
                let double = MemoryHttp::new()
                    .with_route(Method::POST, "/token", move |_| MemoryAnswer::json(status, "{\"error\": \"invalid_client\"}"));
                let http = authorised(double)?;
                let error = ensure_error("a call without a token", http.get("/api").await, kind)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                let double = http.provider::<MemoryHttp>().unwrap();
                ensure(double.received().is_empty(), "the API hears nothing", "it did")?;
            }
            let double = MemoryHttp::new()
                .with_route(Method::POST, "/token", |_| MemoryAnswer::new(200).with_body("<html>"));
            let error = ensure_error("a page for a token", authorised(double)?.get("/api").await, ErrorKind::Corrupt)?;
            ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
        })
        .of_provider(),
        clause!("http.auth.7", "Credentials are configured, one kind of them.", |case| {
            let transport: Arc<dyn HttpTransport> = case.shared_service();
            let build = |text: &str| {
                let value: Value = toml::from_str(text).unwrap();
                let settings: AuthSettings = Section::from_value(value).parse()?;
                settings.build(&transport, &BuildContext::default()).map(drop)
            };
            for good in [
                "bearer = 't'",
                "basic = { username = 'u', password = 'p' }",
                "api_key = { header = 'x-key', key = 'k' }",
                "api_key = { query = 'key', key = 'k' }",
                "hmac = { key_id = 'k', key = 's' }",
                "oauth2 = { token_url = 'https://a/t', client_id = 'i', client_secret = 's', scope = 'a b', refresh_ahead = '5s' }",
                "insecure_http = true\noauth2 = { token_url = 'http://a/t', client_id = 'i', client_secret = 's' }",
            ] {
                build(good)?;
            }
            for bad in [
                "",
                "bearer = 't'\nhmac = { key_id = 'k', key = 's' }",
                "api_key = { key = 'k' }",
                "basic = { username = 'u:v', password = 'p' }",
                "oauth2 = { token_url = '/t', client_id = 'i', client_secret = 's' }",
                "oauth2 = { token_url = 'http://a/t', client_id = 'i', client_secret = 's' }",
                "insecure_http = true",
            ] {
                ensure_error(&format!("`{bad}`"), build(bad), ErrorKind::Configuration)?;
            }
        })
        .of_provider(),
        clause!("http.auth.8", "Credentials that can be read on the way go over TLS or to this machine, unless they may go elsewhere.", |case| {
            let _ = case;
            let secret = || Secret::new("s3cret-of-a-client");
            let context = BuildContext::default();
            let at = |base: &str| MemoryConfig::new().with_base_url(base).build(&context).map(|http| http.with_fallback(|_| MemoryAnswer::new(200)));
            let api = Arc::new(at("http://api.internal/")?);
            let http = || HttpClient::from(api.clone() as Arc<dyn HttpTransport>).with_policy(Policy::off());
            for client in [
                http().with_auth(BearerAuth::new(secret())),
                http().with_auth(BasicAuth::new("app", secret())?),
                http().with_auth(ApiKeyAuth::in_header("x-api-key", secret())?),
                http().with_auth(ApiKeyAuth::in_query("key", secret())),
                http().with_auth(OAuth2Auth::new(http().service(), "https://login.test/token", "app", secret())?),
                http().with_auth(Scheme),
            ] {
                let error = ensure_error("a call without TLS", client.get("/").await, ErrorKind::Configuration)?;
                ensure_eq("its effect", &error.effect(), &Effect::NotSent)?;
                ensure_eq("the requests", &api.received().len(), &0)?;
                ensure(!error.report().contains("s3cret"), "no secret in it", error.report())?;
            }
            for client in [
                http().with_auth(BearerAuth::new(secret()).with_insecure_http(true)),
                http().with_auth(BasicAuth::new("app", secret())?.with_insecure_http(true)),
                http().with_auth(ApiKeyAuth::in_query("key", secret()).with_insecure_http(true)),
                http().with_auth(HmacAuth::new("k1", secret(), &context)),
            ] {
                client.get("/").await?;
            }
            // Where all requests go to one place it shows when the client is made.
            let transport: Arc<dyn HttpTransport> = api.clone();
            let configured = |text: &str| {
                let settings: AuthSettings = Section::from_value(toml::from_str::<Value>(text).unwrap()).parse()?;
                settings.build(&transport, &context).map(drop)
            };
            ensure_error("a token for a base without TLS", configured("bearer = 't'"), ErrorKind::Configuration)?;
            configured("bearer = 't'\ninsecure_http = true")?;
            configured("hmac = { key_id = 'k', key = 's' }")?;
        })
        .of_provider(),
    ]
}

/// A scheme that does not say where its credentials may go.
#[derive(Debug)]
struct Scheme;

#[async_trait]
impl HttpAuth for Scheme {
    async fn authorize(&self, _: &CallContext, _: &mut HttpRequest) -> external_http::Result<()> {
        Ok(())
    }
}

/// A client whose API judges tokens, and how many tokens were given. Each lives so many seconds.
fn tokens(
    lives: u64,
    judge: impl Fn(&str) -> MemoryAnswer + Send + Sync + 'static,
) -> (HttpClient, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let counted = given.clone();
    let issuer = MemoryHttp::new().with_route(Method::POST, "/token", move |request| {
        assert_eq!(request.header("authorization"), Some("Basic c2hvcCUzQTE6czNjcmV0"));
        assert_eq!(request.body, "grant_type=client_credentials&scope=orders%20read");
        let number = counted.fetch_add(1, Ordering::Relaxed) + 1;
        let token = format!(
            "{{\"access_token\": \"token-{number}\", \"token_type\": \"Bearer\", \"expires_in\": {lives}}}"
        );
        MemoryAnswer::json(200, token).with_delay(Duration::from_millis(20))
    });
    let api = MemoryHttp::new()
        .with_fallback(move |request| judge(request.header("authorization").unwrap_or_default()));
    let auth = OAuth2Auth::new(Arc::new(issuer), "https://login.test/token", "shop:1", Secret::new("s3cret"))
        .unwrap();
    let http = HttpClient::over(api).with_auth(auth.with_scope("orders read"));
    (
        http.with_policy(
            HttpClient::policy().with_backoff(Duration::from_millis(1), Duration::from_millis(2)),
        ),
        given,
    )
}

/// A client over an API, with tokens from this issuer.
fn authorised(issuer: MemoryHttp) -> external_http::Result<HttpClient> {
    let auth = OAuth2Auth::new(Arc::new(issuer), "https://login.test/token", "shop", Secret::new("s3cret"))?;
    let api = MemoryHttp::new().with_fallback(|_| MemoryAnswer::new(200));
    Ok(HttpClient::over(api).with_policy(Policy::off()).with_auth(auth))
}

fn asked(http: &HttpClient) -> usize {
    http.provider::<MemoryHttp>().unwrap().received().len()
}
