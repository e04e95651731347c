//! The same with somebody who listens, to the spans or to the metrics, in a process of its own: who has ever listened in a
//! process makes calls dearer there.

use std::process::{Command, Stdio};
use std::time::Duration;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

use crate::added::Setting;
use crate::recorder;
use crate::stacks::{Bare, Counted, Everything};

/// What makes this program a child: followed by listener, tasks, whether there is an earlier timer, milliseconds.
pub(crate) const FLAG: &str = "--with-subscriber";

/// How often the recorder's observations are put into their buckets.
const UPKEEP: Duration = Duration::from_secs(1);

/// Who listens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listener {
    /// Keeps the span of every call, and looks at nothing.
    Silent,
    /// Writes every attempt, with its span, to nowhere.
    Writing,
    /// Counts and times every call and every attempt, and hears of no span.
    Counting,
    /// What a service in production has: the first and the third.
    Both,
}

impl Listener {
    pub(crate) const ALL: [Self; 4] = [Self::Silent, Self::Writing, Self::Counting, Self::Both];

    fn flag(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Writing => "writing",
            Self::Counting => "counting",
            Self::Both => "both",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Silent => "ours with a registry and a silent layer, at INFO",
            Self::Writing => "ours with a registry and text into the void, at DEBUG",
            Self::Counting => recorder::CONTESTANT,
            Self::Both => "ours with a registry, a silent layer at INFO, and a Prometheus recorder",
        }
    }

    /// Whether the calls are counted, and not only their spans kept.
    fn counts(self) -> bool {
        matches!(self, Self::Counting | Self::Both)
    }

    fn listen(self) {
        /// Hears everything and does nothing.
        struct Silence;
        impl<S: Subscriber> Layer<S> for Silence {}

        match self {
            Self::Silent | Self::Both => {
                let silence = Registry::default().with(Silence.with_filter(LevelFilter::INFO));
                tracing::subscriber::set_global_default(silence).expect("the first");
            }
            Self::Writing => {
                let text = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::sink);
                let text = Registry::default().with(text.with_filter(LevelFilter::DEBUG));
                tracing::subscriber::set_global_default(text).expect("the first");
            }
            Self::Counting => {}
        }
        if self.counts() {
            let handle = recorder::install();
            // As a service's exporter does: what nobody drains grows with every call.
            std::thread::spawn(move || {
                loop {
                    std::thread::sleep(UPKEEP);
                    handle.run_upkeep();
                }
            });
        }
    }

    /// Starts a child and waits for its figure.
    pub(crate) fn added(self, setting: Setting, slice: Duration) -> f64 {
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program)
            .args([FLAG, self.flag(), &setting.tasks.to_string(), &setting.earlier_timer.to_string()])
            .arg(slice.as_millis().to_string())
            .stderr(Stdio::inherit())
            .output()
            .expect("a child");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a figure")
    }
}

/// The child's work.
pub(crate) fn work(task: &[String]) -> Result<(), String> {
    let usage = || format!("{FLAG} silent|writing|counting|both TASKS true|false MILLISECONDS");
    let [listener, tasks, earlier_timer, slice] = task else {
        return Err(usage());
    };
    let listener = Listener::ALL.into_iter().find(|known| known.flag() == listener).ok_or_else(usage)?;
    let setting = Setting {
        tasks: tasks.parse().map_err(|_| usage())?,
        earlier_timer: earlier_timer.parse().map_err(|_| usage())?,
    };
    let slice = Duration::from_millis(slice.parse().map_err(|_| usage())?);
    listener.listen();
    let added = match listener.counts() {
        true => setting.added::<Counted, Bare>(slice),
        false => setting.added::<Everything, Bare>(slice),
    };
    println!("{added}");
    Ok(())
}
