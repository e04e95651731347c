//! Points 1 and 3 where HTTP is spoken: what an answer means by its status alone, as anybody on the way may give it, and that
//! no redirect is followed.
//!
//! What a vendor says beside the status (a code in its own format) is for the provider's own tests.

use std::time::{Duration, SystemTime};

use external_core::{Effect, Error, ErrorKind, Provider, Retry};
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::marker;
use crate::clause::Need;
use crate::{Case, Clause, Finding, ProviderCall, clause, ensure, ensure_eq, watch, within};

const LONG: Duration = Duration::from_secs(10);

/// A status, the kinds that it can mean, its effects, and whether trying again is of use.
type Row = (u16, &'static [ErrorKind], &'static [Effect], bool);

#[rustfmt::skip]
const STATUSES: &[Row] = {
    use Effect::{MaybeApplied, NotApplied};
    use ErrorKind::{
        AlreadyExists, Configuration, Conflict, InvalidArgument, NotFound, PayloadTooLarge, PermissionDenied,
        RateLimited, Timeout, Unauthenticated, Unavailable, Unexpected,
    };
    &[
        (400, &[InvalidArgument],                     &[NotApplied],   false),
        (401, &[Unauthenticated],                     &[NotApplied],   false),
        (403, &[PermissionDenied],                    &[NotApplied],   false),
        // Of whom it is, nobody knows: the thing is missing, or what it should be in, or the service.
        (404, &[NotFound, Configuration, Unexpected], &[NotApplied],   false),
        // It did not get all of the request in time: it may say so of one that it began to apply.
        (408, &[Timeout],                             &[NotApplied, MaybeApplied],   true),
        (409, &[Conflict, AlreadyExists],             &[NotApplied],   false),
        (412, &[Conflict, AlreadyExists],             &[NotApplied],   false),
        (413, &[PayloadTooLarge],                     &[NotApplied],   false),
        (429, &[RateLimited],                         &[NotApplied],   true),
        (500, &[Unavailable],                         &[MaybeApplied], true),
        (502, &[Unavailable],                         &[MaybeApplied], true),
        (503, &[Unavailable],                         &[MaybeApplied], true),
        // Whose time was over, nobody knows.
        (504, &[Timeout, Unavailable],                &[MaybeApplied], true),
    ]
};

/// What a load balancer or a captive portal answers.
const PAGE: &str =
    "<!DOCTYPE html><html><head><title>Sorry</title></head><body><p>Not now.</p></body></html>";

/// More seconds than there will be.
const ENDLESS: &str = "99999999999999999999999";
const A_DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) fn clauses<S: ?Sized + Provider + 'static>() -> Vec<Clause<S>> {
    vec![
        clause!(
            "common.1.16",
            "A status of HTTP means the same for every call, with an empty body and with somebody's page in it: kind, effect, \
             whether trying again is of use. It is told, and the call is not repeated.",
            |case: S| {
                let other = Elsewhere::start(case).await?;
                for (status, kinds, effect, is_of_use) in STATUSES {
                    for answer in with_bodies(*status) {
                        other.answers(answer).await;
                        for call in case.sent_calls() {
                            let what = format!("a {} that is answered {status}", call.name);
                            let Err(error) = other.asked(&what, call).await? else {
                                // Of what is not there some calls ask.
                                let absent = format!("{what} fails");
                                ensure(*status == 404, absent, "it succeeded")?;
                                continue;
                            };
                            let told = error.report();
                            ensure(kinds.contains(&error.kind()), format!("{what} is one of {kinds:?}"), &told)?;
                            let seen = error.effect();
                            ensure(effect.contains(&seen), format!("the effect of {what} is one of {effect:?}"), format!("{seen:?}"))?;
                            ensure_eq(&format!("the status of {what}"), &error.http_status(), &Some(*status))?;
                            let useful = error.retry() != Retry::Never;
                            ensure_eq(&format!("whether trying {what} again is of use"), &useful, is_of_use)?;
                        }
                    }
                }
            }
        )
        .of_provider()
        .requiring(Need::Http),
        clause!(
            "common.1.17",
            "How long to wait is passed on from `Retry-After`, be it seconds or a date; what cannot be read there changes \
             nothing.",
            |case: S| {
                let other = Elsewhere::start(case).await?;
                let (now, then) = (date(other.now), date(other.now + Duration::from_secs(30)));
                for status in [429, 503] {
                    for (told, wait) in [
                        ("7", Some(7)),
                        ("0", Some(0)),
                        (then.as_str(), Some(30)),
                        ("soon", None),
                        ("-1", None),
                        (ENDLESS, None),
                    ] {
                        let answer = ResponseTemplate::new(status).insert_header("date", now.as_str());
                        other.answers(answer.insert_header("retry-after", told)).await;
                        for call in case.sent_calls() {
                            let what = format!("a {} that is answered {status} with `Retry-After: {told}`", call.name);
                            let retry = match other.asked(&what, call).await? {
                                Ok(()) => return Err(Finding::failed(format!("{what} fails"), "it succeeded")),
                                Err(error) => error.retry(),
                            };
                            let expected =
                                wait.map_or(Retry::Backoff, |seconds| Retry::After(Duration::from_secs(seconds)));
                            // Longer than anybody waits is no wait that can be had, or one that nobody has.
                            let is_never = told == ENDLESS && matches!(retry, Retry::After(wait) if wait > A_DAY);
                            if !is_never {
                                ensure_eq(&format!("when to try {what} again"), &retry, &expected)?;
                            }
                        }
                    }
                }
            }
        )
        .of_provider()
        .requiring(Need::Http),
        clause!(
            "common.1.18",
            "Somebody's page with status 200, and nothing with status 200, are `Corrupt` and `MaybeApplied` for every call, but \
             for those of which the target says that the status is all of their answer: these succeed.",
            |case: S| {
                let other = Elsewhere::start(case).await?;
                let silent = case.http().map_or(&[][..], |http| http.silent.as_slice());
                for name in silent {
                    let is_call = case.sent_calls().iter().any(|call| call.name == name);
                    ensure(is_call, format!("`{name}`, which is listed as silent, is a call"), "there is none")?;
                }
                for answer in with_bodies(200) {
                    other.answers(answer).await;
                    for call in case.sent_calls() {
                        let what = format!("a {} that is answered 200 and nothing of use", call.name);
                        let is_silent = silent.iter().any(|name| name == call.name);
                        let result = other.asked(&what, call).await?;
                        match result {
                            Ok(()) => ensure(is_silent, format!("{what} fails, or is listed as silent"), "it succeeded")?,
                            Err(error) if is_silent => return Err(Finding::from(error).while_(what)),
                            Err(error) => {
                                ensure_eq(&format!("the kind of {what}: {}", error.report()), &error.kind(), &ErrorKind::Corrupt)?;
                                ensure_eq(&format!("the effect of {what}"), &error.effect(), &Effect::MaybeApplied)?;
                            }
                        }
                    }
                }
            }
        )
        .of_provider()
        .requiring(Need::Http),
        clause!(
            "common.3.5",
            "A redirect is not followed: whatever it names, the call is one request, and an error that tells its status.",
            |case: S| {
                let other = Elsewhere::start(case).await?;
                for status in [301, 302, 303, 307, 308] {
                    other.answers(ResponseTemplate::new(status).insert_header("location", "/elsewhere")).await;
                    for call in case.sent_calls() {
                        let what = format!("a {} that is redirected by {status}", call.name);
                        let Err(error) = other.asked(&what, call).await? else {
                            return Err(Finding::failed(format!("{what} fails"), "it succeeded"));
                        };
                        ensure_eq(&format!("the status of {what}"), &error.http_status(), &Some(status))?;
                        let sent = error.effect() != Effect::NotSent;
                        ensure(sent, format!("{what} was sent"), error.report())?;
                    }
                }
            }
        )
        .of_provider()
        .requiring(Need::Http),
    ]
}

/// This status, with each body that says nothing.
fn with_bodies(status: u16) -> [ResponseTemplate; 2] {
    [
        ResponseTemplate::new(status),
        ResponseTemplate::new(status).set_body_raw(PAGE, "text/html; charset=utf-8"),
    ]
}

/// A time as HTTP tells it.
fn date(at: SystemTime) -> String {
    httpdate::fmt_http_date(at)
}

/// A service, and in the place of its back end a server that gives any answer.
struct Elsewhere<'a, S: ?Sized + 'static> {
    case: &'a Case<S>,
    service: std::sync::Arc<S>,
    server: MockServer,
    /// The service's clock, which stands still.
    now: SystemTime,
}

impl<'a, S: ?Sized + Provider + 'static> Elsewhere<'a, S> {
    async fn start(case: &'a Case<S>) -> Result<Self, Finding> {
        let server = MockServer::start().await;
        // Dates have whole seconds. What a call is asked to do later lies ahead of this clock too.
        let since = case.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs());
        let service = case.moved_to(server.address().port(), |world| world.with_clock(move || now))?;
        Ok(Self { case, service, server, now })
    }

    /// Whatever is asked from now on, but for what stands before calls.
    async fn answers(&self, answer: ResponseTemplate) {
        self.server.reset().await;
        for route in self.case.http().into_iter().flat_map(|http| &http.before) {
            let right = ResponseTemplate::new(200).set_body_raw(route.body.clone(), &route.content_type);
            Mock::given(path(route.path.clone())).respond_with(right).mount(&self.server).await;
        }
        Mock::given(any()).respond_with(answer).mount(&self.server).await;
    }

    /// One call, which is one request.
    async fn asked(&self, what: &str, call: &ProviderCall<S>) -> Result<Result<(), Error>, Finding> {
        let before = self.requests().await;
        let marker = marker(self.case, call.name);
        let result = within(what, LONG, (call.run)(self.case, &self.service, &marker)).await?;
        let result = result.inspect_err(watch::saw_error);
        ensure_eq(&format!("the number of requests of {what}"), &(self.requests().await - before), &1)
            .map_err(|finding| finding.with_said(result.as_ref().err()))?;
        Ok(result)
    }

    /// How many requests came, without those that stand before calls.
    async fn requests(&self) -> usize {
        let before = self.case.http().map_or(&[][..], |http| &http.before);
        let is_call =
            |request: &&wiremock::Request| !before.iter().any(|route| route.path == request.url.path());
        let all = self.server.received_requests().await.unwrap_or_default();
        all.iter().filter(is_call).count()
    }
}
