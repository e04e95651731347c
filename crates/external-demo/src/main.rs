//! The main job: a small account service over storage, cache and email, whose providers come from a configuration file
//! and nothing else. It registers the users of an input file, then reads everything back and checks it byte for byte.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that people watch")]

mod args;
mod folder;
mod input;
mod mailbox;
mod observer;
mod platform;
mod portrait;
mod register;
mod report;
mod settings;
mod verify;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use external_container::Container;
use external_core::BuildContext;
use external_storage::StorageClient;
use futures_util::{StreamExt, stream};
use tokio::time::Instant;

use crate::args::Args;
use crate::input::Registration;
use crate::observer::Calls;
use crate::register::{Account, Accounts};
use crate::report::Report;

/// How many users register side by side.
const SIDE_BY_SIDE: usize = 4;
/// How long the back ends may take to answer the first probe.
const PROBE: Duration = Duration::from_secs(10);
/// How long running calls may take to end.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What ended the run before its checks.
struct Failure(String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let calls = Arc::new(Calls::default());
    let ok = match run(&args, &calls).await {
        Ok(ok) => ok,
        Err(Failure(why)) => {
            eprintln!("error: {}", why.trim_end());
            false
        }
    };
    let written = args.report.as_deref().map_or(Ok(()), |file| {
        let report = Report { ok, calls: &calls.heard() };
        report.write(file).map_err(|error| format!("{}: {error}", file.display()))
    });
    if let Err(why) = &written {
        eprintln!("error: the report cannot be written: {why}");
    }
    if ok && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(args: &Args, calls: &Arc<Calls>) -> Result<bool, Failure> {
    let started = Instant::now();
    let users = input::read(&args.users())?;
    let folder = folder::create(&args.out, BuildContext::default().now())
        .map_err(|error| format!("{}: {error}", args.out.display()))?;
    let config = args.config();
    let opened = settings::open(&config, &folder, args.mailbox.as_deref(), calls.clone());
    let (container, settings) = opened.inspect_err(|_| {
        // Nothing was done in it. If it cannot be taken away, it is empty all the same.
        let _ = fs::remove_dir(&folder);
    })?;
    println!("configuration {}", config.display());
    println!("{} users from {}", users.len(), args.users().display());

    let objects = container.get_default::<StorageClient>()?.info().location().to_owned();
    let work = work(&container, users, &folder, &settings.mailbox);
    let result = tokio::select! {
        result = work => result,
        () = platform::asked_to_end() => Err(Failure("interrupted".into())),
    };
    let shutdown = container.shutdown(SHUTDOWN).await;
    let heard = calls.heard();
    if !heard.is_empty() {
        println!("\nexternal calls\n\n{}", report::table(&heard));
    }
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
    users: Vec<Registration>,
    folder: &Path,
    mailbox: &Path,
) -> Result<bool, Failure> {
    let run = folder.file_name().unwrap_or_default().to_string_lossy();
    let accounts = Accounts::open(container, &run)?;
    let health = container.health(PROBE).await;
    print!("{health}");
    if !health.is_up() {
        return Err("a back end cannot be reached; nobody was registered".into());
    }
    println!();
    let asked = users.len();
    let registered = register(&accounts, users).await;
    println!("\nreading everything back");
    let mut ok = registered.len() == asked;
    for check in verify::all(&accounts, &registered, mailbox).await {
        let mark = if check.passed() { "ok  " } else { "FAIL" };
        println!("  {mark} {} {}", check.looked_at, check.what);
        for failure in &check.failures {
            println!("       {failure}");
        }
        ok &= check.passed();
    }
    Ok(ok)
}

/// Registers side by side, and says how each went.
async fn register(accounts: &Accounts, users: Vec<Registration>) -> Vec<Account> {
    let all = users.len();
    let mut registering = stream::iter(users)
        .map(async |user| {
            let name = user.name.clone();
            (name, accounts.register(user).await)
        })
        .buffer_unordered(SIDE_BY_SIDE)
        .enumerate();
    let mut registered = Vec::with_capacity(all);
    while let Some((done, (name, result))) = registering.next().await {
        let done = done + 1;
        match result {
            Ok(account) => {
                let portrait = &account.user.portrait;
                println!(
                    "[{done:>3}/{all}] {name}: {portrait:?}, link, profile, mail to {}",
                    account.user.email
                );
                registered.push(account);
            }
            Err(error) => println!("[{done:>3}/{all}] {name}: FAILED: {error}"),
        }
    }
    registered.sort_by_key(|account| account.profile.number);
    registered
}
