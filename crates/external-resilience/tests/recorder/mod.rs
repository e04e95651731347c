//! A recorder that keeps what it is told, in an order that can be compared.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

/// How often a series was told something, and the sum of a histogram or the value of a gauge.
#[derive(Debug, Default)]
struct Series(Mutex<(f64, f64)>);

impl Series {
    fn change(&self, change: impl FnOnce(&mut (f64, f64))) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.change(|(count, _)| *count += value as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|(count, _)| *count = value as f64);
    }
}

impl GaugeFn for Series {
    fn increment(&self, value: f64) {
        self.change(|(_, now)| *now += value);
    }

    fn decrement(&self, value: f64) {
        self.change(|(_, now)| *now -= value);
    }

    fn set(&self, value: f64) {
        self.change(|(_, now)| *now = value);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        self.change(|(count, sum)| (*count, *sum) = (*count + 1.0, *sum + value));
    }
}

#[derive(Default)]
pub(crate) struct Taken {
    series: Mutex<BTreeMap<String, Arc<Series>>>,
    labels: Mutex<BTreeMap<String, BTreeSet<String>>>,
    described: Mutex<BTreeMap<String, (Option<Unit>, String)>>,
}

impl Taken {
    /// Each series with its labels in alphabetical order, and what it counted.
    pub(crate) fn values(&self) -> BTreeMap<String, (f64, f64)> {
        let series = self.series.lock().unwrap();
        series.iter().map(|(name, series)| (name.clone(), *series.0.lock().unwrap())).collect()
    }

    /// Each label with all of its values.
    pub(crate) fn labels(&self) -> BTreeMap<String, BTreeSet<String>> {
        self.labels.lock().unwrap().clone()
    }

    pub(crate) fn described(&self) -> BTreeMap<String, (Option<Unit>, String)> {
        self.described.lock().unwrap().clone()
    }

    fn register(&self, key: &Key) -> Arc<Series> {
        let mut named: Vec<String> = Vec::new();
        for label in key.labels() {
            named.push(format!("{}={}", label.key(), label.value()));
            let mut labels = self.labels.lock().unwrap();
            labels.entry(label.key().to_owned()).or_default().insert(label.value().to_owned());
        }
        named.sort();
        let name = format!("{}{{{}}}", key.name(), named.join(","));
        self.series.lock().unwrap().entry(name).or_default().clone()
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>, meaning: &SharedString) {
        self.described.lock().unwrap().insert(name.as_str().to_owned(), (unit, meaning.to_string()));
    }
}

impl Recorder for Taken {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.describe(&key, unit, &meaning);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.describe(&key, unit, &meaning);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, meaning: SharedString) {
        self.describe(&key, unit, &meaning);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.register(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.register(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.register(key))
    }
}
