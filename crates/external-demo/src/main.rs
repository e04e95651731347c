//! The main job: a small account service over storage, cache and email, whose providers come from a configuration file
//! and nothing else. It registers the users of an input file, then reads everything back and checks it byte for byte.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that people watch")]

mod accounts;
mod args;
mod fault;
mod folder;
mod input;
mod mailbox;
mod observer;
mod output;
mod platform;
mod portrait;
mod register;
mod report;
mod settings;
mod systems;
mod verify;

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use external_cache::CacheClient;
use external_container::Container;
use external_core::storage::ObjectKey;
use external_core::{BuildContext, Error, Result};
use external_email::EmailClient;
use external_resilience::Domain;
use external_storage::StorageClient;
use futures_util::StreamExt;
use tokio::time::Instant;

use crate::accounts::{Account, Accounts, Journal};
use crate::args::Args;
use crate::fault::Script;
use crate::input::{BadInput, Registration};
use crate::observer::Calls;
use crate::register::{Finished, Unfinished};
use crate::report::Report;
use crate::settings::Settings;

/// How long the back ends may take to answer the first probe.
const PROBE: Duration = Duration::from_secs(10);
/// How long running calls may take to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What ended the run before its checks.
struct Failure(String);

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Self(why)
    }
}

impl From<&str> for Failure {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}

impl From<BadInput> for Failure {
    fn from(input: BadInput) -> Self {
        Self(input.to_string())
    }
}

/// The error and what lies beneath it: the reason may be there alone.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(&format!("\n  caused by: {cause}"));
            source = cause.source();
        }
        Self(text)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    output::end_with_the_output();
    let args = Args::parse();
    let unwritable = |file: &Path, error: io::Error| {
        eprintln!("error: the report cannot be written: {}: {error}", file.display());
        ExitCode::FAILURE
    };
    if let Some(file) = &args.report
        && let Err(error) = report::writable(file)
    {
        return unwritable(file, error);
    }
    let (calls, journal) = (Arc::<Calls>::default(), Arc::<Journal>::default());
    let ok = match run(&args, &calls, &journal).await {
        Ok(ok) => ok,
        Err(Failure(why)) => {
            eprintln!("error: {}", why.trim_end());
            false
        }
    };
    if let Some(file) = &args.report {
        let (heard, systems) = (calls.heard(), seen(&calls, &journal));
        if let Err(error) = (Report { ok, calls: &heard, systems: &systems }).write(file) {
            return unwritable(file, error);
        }
        println!("report   {}", file.display());
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(args: &Args, calls: &Arc<Calls>, journal: &Arc<Journal>) -> Result<bool, Failure> {
    let started = Instant::now();
    let users = input::read(&args.users())?;
    if args.fault {
        fault::enough(users.len()).map_err(|error| error.with_context("file", args.users().display()))?;
    }
    let folder = folder::create(&args.out, BuildContext::default().now())
        .map_err(|error| format!("{}: {error}", args.out.display()))?;
    let config = args.config();
    let opened = settings::open(&config, folder.path(), args.mailbox.as_deref(), args.fault, calls.clone());
    let (container, settings) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            folder.discard();
            return Err(error.into());
        }
    };
    println!("configuration {}", config.display());
    println!("{} users from {}", users.len(), args.users().display());
    let removed = folder.remove_surplus();
    if removed > 0 {
        println!("the folders of {removed} earlier runs were removed; the last {} stay", folder::KEPT);
    }

    let objects = container.get_default::<StorageClient>()?.info().location().to_owned();
    watch_breakers(&container, calls)?;
    let script = match args.fault {
        true => Some(Script::new(&settings.fault, &container, users.len())?),
        false => None,
    };
    let run = folder.path().file_name().unwrap_or_default().to_string_lossy();
    let accounts = Accounts::open(&container, &settings, &run)?.with_journal(journal.clone());
    let result = tokio::select! {
        result = work(&container, &accounts, &settings, users, script, calls) => result,
        () = platform::asked_to_end() => Err(Failure("interrupted".into())),
    };
    let shutdown = container.shutdown(SHUTDOWN).await;
    show_calls(calls, journal);
    println!("objects  {objects}");
    println!("mails    {}", settings.mailbox.display());
    if !shutdown.is_clean() {
        eprintln!("left over at the end:\n{shutdown}");
    }
    let ok = result? && shutdown.is_clean();
    println!(
        "{} after {:.1} s",
        if ok { "all checks passed" } else { "CHECKS FAILED" },
        started.elapsed().as_secs_f64()
    );
    Ok(ok)
}

/// Registers all, then checks all.
async fn work(
    container: &Container,
    accounts: &Accounts,
    settings: &Settings,
    users: Vec<Registration>,
    script: Option<Script>,
    calls: &Calls,
) -> Result<bool, Failure> {
    let health = container.health(PROBE).await;
    print!("{health}");
    if !health.is_up() {
        return Err("a back end cannot be reached; nobody was registered".into());
    }
    println!();
    let down = script.as_ref().map(Script::domains);
    let asked = users.len();
    let Registered { done, kept } = register(accounts, users, settings.patience, script).await?;
    println!("\nreading everything back");
    let mut ok = done.len() == asked;
    let mut checks = verify::all(accounts, &done, &kept, &settings.mailbox).await;
    if let Some(down) = down {
        checks.push(fault::seen::check(&seen(calls, &accounts.journal), &down));
    }
    for check in checks {
        let mark = if check.passed() { "ok  " } else { "FAIL" };
        println!("  {mark} {} {}", check.looked_at, check.what);
        for failure in &check.failures {
            println!("       {failure}");
        }
        ok &= check.passed();
    }
    Ok(ok)
}

/// Who was registered, and which portraits others left behind.
struct Registered {
    done: Vec<Account>,
    kept: Vec<ObjectKey>,
}

/// Registers everybody, and says how each went. The script, if there is one, takes systems down meanwhile.
async fn register(
    accounts: &Accounts,
    users: Vec<Registration>,
    patience: Duration,
    mut script: Option<Script>,
) -> Result<Registered, Failure> {
    let all = users.len();
    let signups = users.into_iter().map(|user| accounts.begin(user)).collect::<Result<Vec<_>>>()?;
    let mut finished = std::pin::pin!(register::everybody(accounts, signups, patience).enumerate());
    let mut registered = Registered { done: Vec::with_capacity(all), kept: Vec::new() };
    while let Some((before, Finished { name, result })) = finished.next().await {
        let done = before + 1;
        match result {
            Ok(account) => {
                let portrait = &account.user.portrait;
                println!(
                    "[{done:>3}/{all}] {name}: record, {portrait:?}, profile, mail to {}",
                    account.user.email
                );
                registered.done.push(account);
            }
            Err(Unfinished { error, is_unknown, portrait }) => {
                let how = if is_unknown { "GIVEN UP, OUTCOME UNKNOWN" } else { "FAILED" };
                println!("[{done:>3}/{all}] {name}: {how}: {error}");
                registered.kept.extend(portrait);
            }
        }
        if let Some(script) = &mut script {
            script.reached(done).await?;
        }
    }
    if let Some(script) = script {
        script.finish().await?;
    }
    registered.done.sort_by_key(|account| account.record.number);
    Ok(registered)
}

/// Lets the observer look at the breakers of the instances that the service uses.
fn watch_breakers(container: &Container, calls: &Calls) -> Result<(), Failure> {
    calls.watch(StorageClient::NAME, container.get_default::<StorageClient>()?.pipeline().clone());
    calls.watch(CacheClient::NAME, container.get_default::<CacheClient>()?.pipeline().clone());
    calls.watch(EmailClient::NAME, container.get_default::<EmailClient>()?.pipeline().clone());
    Ok(())
}

/// What was seen so far, system by system.
fn seen(calls: &Calls, journal: &Journal) -> Vec<systems::System> {
    systems::systems(&calls.heard(), &calls.breakers(), &calls.gates(), &journal.entries())
}

fn show_calls(calls: &Calls, journal: &Journal) {
    let heard = calls.heard();
    if !heard.is_empty() {
        println!("\nexternal calls\n\n{}", report::table(&heard));
        println!("retries, breaker, answers that were lost\n\n{}", report::recovery(&seen(calls, journal)));
    }
}
