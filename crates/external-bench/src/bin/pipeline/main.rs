//! The pipeline: what its layers add to a call, and what the stacks do that people would build instead.
#![allow(clippy::disallowed_methods, reason = "a program for the terminal, which measures by the real clock")]
#![allow(clippy::cast_precision_loss, reason = "of counts")]

mod added;
mod null;
mod recorder;
mod stacks;
mod subscriber;

use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use external_bench::{Contestant, Options, Report, Rounds};

use crate::added::Setting;
use crate::stacks::{
    Bare, ByHand, DefaultPolicy, Everything, Nested, OpenDal, OpenDalBare, Stack, Tower, TowerCloned,
    TowerResilience,
};
use crate::subscriber::Listener;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((flag, task)) = arguments.split_first()
        && flag == subscriber::FLAG
    {
        return subscriber::work(task);
    }
    let options = Options::parse(arguments.clone())?;
    let mut rounds = options.rounds(9);
    for setting in Setting::ALL {
        time(&mut rounds, setting, options.slice());
    }
    memory(&mut rounds, &arguments)?;
    options.hand_over(rounds)
}

fn time(rounds: &mut Rounds, setting: Setting, slice: Duration) {
    fn contestant<S: Stack, B: Stack>(name: &str, setting: Setting, slice: Duration) -> Contestant<'static> {
        Contestant::new(name, move || setting.added::<S, B>(slice))
    }
    let mut contestants = vec![
        contestant::<Everything, Bare>("ours, everything on", setting, slice),
        contestant::<Tower, Bare>("tower", setting, slice),
        contestant::<TowerCloned, Bare>("tower, boxed, cloned for each call", setting, slice),
        contestant::<ByHand, Bare>("governor, semaphore, backon, failsafe, timeout", setting, slice),
        contestant::<OpenDal, OpenDalBare>("OpenDAL's layers (its own bare call)", setting, slice),
        contestant::<TowerResilience, Bare>("tower-resilience", setting, slice),
        contestant::<Bare, Bare>("noise: dyn minus dyn", setting, slice).apart(),
        contestant::<DefaultPolicy, Bare>("ours, default policy", setting, slice).apart(),
        contestant::<Nested, Bare>("ours, two nested, everything on", setting, slice).apart(),
    ];
    contestants
        .extend(Listener::ALL.map(|listener| {
            Contestant::new(listener.name(), move || listener.added(setting, slice)).apart()
        }));
    rounds.case("pipeline", &setting.name(), "ns", contestants);
}

/// What was allocated is counted by the other program, which has an allocator for it.
fn memory(rounds: &mut Rounds, arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments.to_vec();
    if let Some(at) = arguments.iter().position(|argument| argument == "--report") {
        arguments.drain(at..(at + 2).min(arguments.len()));
    }
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = program.with_file_name("bench-pipeline-memory");
    let output = Command::new(&program)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(format!("{} ended with {}", program.display(), output.status));
    }
    let report: Report = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    rounds.add(report);
    Ok(())
}
