//! The listeners of the process: a subscriber of every span and event, a logger, a recorder of metrics, a panic hook.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::io::Write as _;
use std::panic::PanicHookInfo;
use std::sync::{Arc, OnceLock, Weak};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata as MetricMetadata,
    Recorder, SharedString, Unit,
};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use super::telemetry::{CallSpan, Fields, Series, is_attended};
use super::{Channel, Watch, current, live, watching};

/// Listens from now on, in the whole process. `Err` says who listens already.
pub(crate) fn install() -> Result<(), &'static str> {
    static INSTALLED: OnceLock<Result<(), &'static str>> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match current() {
            Some(watch) => panicked(&watch, panic),
            None => panicked_elsewhere(panic, &*previous),
        }));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Listener))
            .map_err(|_| "the program has a subscriber of its own (tracing)")?;
        log::set_boxed_logger(Box::new(Logger)).map_err(|_| "the program has a logger of its own (log)")?;
        log::set_max_level(log::LevelFilter::Trace);
        metrics::set_global_recorder(Meter).map_err(|_| "the program has a recorder of its own (metrics)")
    })
}

/// A panic of a case is told on standard error as any other, but without secrets.
fn panicked(watch: &Watch, panic: &PanicHookInfo<'_>) {
    tell(panic, &searched(&[watch], message_of(panic)));
}

/// A panic on a thread of nobody's, which any case may have led to: its message is told as ever, unless it shows a secret of one.
fn panicked_elsewhere(panic: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    let cases: Vec<_> = live().iter().filter_map(Weak::upgrade).collect();
    let cases: Vec<&Watch> = cases.iter().map(|watch| &**watch).collect();
    let message = message_of(panic);
    let masked = searched(&cases, message);
    if masked == message { previous(panic) } else { tell(panic, &masked) }
}

fn message_of<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    panic.payload_as_str().unwrap_or("without a message")
}

/// The message of a panic without the secrets of these cases, each of which hears of its own.
fn searched(cases: &[&Watch], message: &str) -> String {
    cases.iter().fold(message.to_owned(), |masked, watch| {
        watch.search(Channel::Written, None, "the message of a panic", |out| out.write_str(message));
        watch.masked(&masked)
    })
}

fn tell(panic: &PanicHookInfo<'_>, message: &str) {
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "panicked{place}:\n{message}");
}

/// Whether anybody here wants to hear.
fn is_heard() -> bool {
    match current() {
        Some(watch) => watch.listens,
        None => live().iter().filter_map(Weak::upgrade).any(|watch| watch.listens),
    }
}

/// Searches one value on behalf of whoever is to see it.
fn search(target: &str, level: Level, place: &str, write: &dyn Fn(&mut dyn Write) -> fmt::Result) {
    watching(|watch| {
        if watch.listens {
            watch.search(Channel::Written, Some((target, level)), place, write);
        }
    });
}

/// Searches every field, and keeps them as text if somebody wants that.
struct Searching<'a> {
    metadata: &'a Metadata<'a>,
    kept: Option<Fields>,
}

impl<'a> Searching<'a> {
    fn new(metadata: &'a Metadata<'a>) -> Self {
        let is_ours = metadata.target() == "external";
        Self { metadata, kept: is_ours.then(Fields::new) }
    }

    fn field(&mut self, field: &Field, write: &dyn Fn(&mut dyn Write) -> fmt::Result) {
        let kind = if self.metadata.is_span() { "a span" } else { "an event" };
        let place = format!("the field `{}` of {kind}", field.name());
        search(self.metadata.target(), *self.metadata.level(), &place, write);
        if let Some(kept) = &mut self.kept {
            let mut text = String::new();
            let _ = write(&mut text);
            kept.insert(field.name().to_owned(), text);
        }
    }
}

impl Visit for Searching<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, &|out| write!(out, "{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.field(field, &|out| out.write_str(value));
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.field(field, &|out| write!(out, "{value:?} {}", String::from_utf8_lossy(value)));
    }
}

/// An open span of a call, and whose it is.
struct Open {
    watch: Arc<Watch>,
    call: CallSpan,
}

/// Hears everything, at every level.
struct Listener;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listener {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_heard()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut searching = Searching::new(attributes.metadata());
        attributes.record(&mut searching);
        if attributes.metadata().name() == "external.call"
            && let (Some(fields), Some(watch), Some(span)) = (searching.kept, current(), context.span(id))
        {
            let call = CallSpan { fields, ..CallSpan::default() };
            span.extensions_mut().insert(Open { watch, call });
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut searching = Searching::new(span.metadata());
        values.record(&mut searching);
        if let (Some(open), Some(fields)) = (span.extensions_mut().get_mut::<Open>(), searching.kept) {
            open.call.fields.extend(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut searching = Searching::new(event.metadata());
        event.record(&mut searching);
        if let (Some(error), Some(watch)) =
            (searching.kept.as_ref().and_then(|kept| kept.get("error")), current())
        {
            watch.note_step(error);
        }
        let attempt = searching.kept.filter(|fields| fields.contains_key("external.attempt"));
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(open) = span.extensions_mut().get_mut::<Open>() {
                open.call.attempts.extend(attempt);
                return;
            }
        }
        if is_attended()
            && let Some(watch) = current()
        {
            watch.telemetry(|telemetry| telemetry.add_outside(event.metadata().target()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>());
        if let Some(Open { watch, call }) = open {
            watch.telemetry(|telemetry| telemetry.add_call(call));
        }
    }
}

/// Hears what is said through the façade `log`.
struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        is_heard()
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Error => Level::ERROR,
            log::Level::Warn => Level::WARN,
            log::Level::Info => Level::INFO,
            log::Level::Debug => Level::DEBUG,
            log::Level::Trace => Level::TRACE,
        };
        search(record.target(), level, "a log record", &|out| write!(out, "{}", record.args()));
    }

    fn flush(&self) {}
}

/// Hears of metrics.
struct Meter;

impl Meter {
    fn register(&self, key: &Key, metadata: &MetricMetadata<'_>) -> Arc<Handle> {
        // A label that shows a secret shows it to all that read metrics: there is no filter for it.
        let place = format!("a label of the metric `{}`", key.name());
        for label in key.labels() {
            let said = |out: &mut dyn Write| write!(out, "{}={}", label.key(), label.value());
            search(metadata.target(), Level::ERROR, &place, &said);
        }
        let labels: BTreeMap<_, _> =
            key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
        let watch = current().filter(|watch| watch.listens);
        Arc::new(Handle { watch, series: (key.name().to_owned(), labels) })
    }
}

impl Recorder for Meter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, metadata: &MetricMetadata<'_>) -> Counter {
        Counter::from_arc(self.register(key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &MetricMetadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &MetricMetadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(key, metadata))
    }
}

/// One series of the case that first wrote it.
struct Handle {
    watch: Option<Arc<Watch>>,
    series: Series,
}

impl Handle {
    fn wrote(&self, times: u64) {
        if let Some(watch) = &self.watch {
            watch.telemetry(|telemetry| telemetry.count(&self.series, times));
        }
    }
}

impl CounterFn for Handle {
    fn increment(&self, by: u64) {
        self.wrote(by);
    }

    fn absolute(&self, _: u64) {
        self.wrote(1);
    }
}

impl GaugeFn for Handle {
    fn increment(&self, _: f64) {
        self.wrote(1);
    }

    fn decrement(&self, _: f64) {
        self.wrote(1);
    }

    fn set(&self, _: f64) {
        self.wrote(1);
    }
}

impl HistogramFn for Handle {
    fn record(&self, _: f64) {
        self.wrote(1);
    }
}
