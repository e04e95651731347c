//! A service with a recorder of its own hears how its calls went.
//!
//! features: metrics
//! beside: metrics, tokio
//!
//! ```text
//! external.attempt.duration
//! external.call.duration
//! ```

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use external_resilience::external_core::{
    CallContext, Capabilities, Operation, ProviderInfo, Repeat, Result,
};
use external_resilience::metrics::Metrics;
use external_resilience::{Pipeline, Policy};
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The names of the histograms that got a value.
#[derive(Clone, Default)]
struct Names(Arc<Mutex<BTreeSet<String>>>);

struct Named(Names, String);

impl HistogramFn for Named {
    fn record(&self, _seconds: f64) {
        self.0.0.lock().expect("nobody panics here").insert(self.1.clone());
    }
}

impl Recorder for Names {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Named(self.clone(), key.name().to_owned())))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let names = Names::default();
    // Before the observer is made: it asks the recorder that is installed then.
    metrics::set_global_recorder(names.clone()).expect("the only recorder");

    let info = ProviderInfo::new("ledger", "accounting", "ledger.internal", Capabilities::new());
    let pipeline = Pipeline::new("books", &info, Policy::default()).with_observer(Arc::new(Metrics::new()));
    let read = Operation::new("accounting", "read", Repeat::Safe);
    pipeline.run(read, &CallContext::default(), |_, _| Box::pin(async { Ok(()) })).await?;
    for name in names.0.lock().expect("nobody panics here").iter() {
        println!("{name}");
    }
    Ok(())
}
