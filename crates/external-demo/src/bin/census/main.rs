//! Counts what a run of the demo left behind: does every user have exactly one record, one portrait and one mail, and is
//! there anything that belongs to nobody?
//!
//! It is not the demo and uses none of its clients: records are read from Redis over a plain socket, portraits from the
//! store's folder, mails from the mailbox with a MIME parser that is not ours.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that people watch")]

mod folder;
mod mails;
mod portraits;
mod records;
mod users;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Counts the records, portraits and mails of every user of an input file.
///
/// Exit code 0 only if each has exactly one of each, and there is nothing else.
#[derive(Debug, Parser)]
#[command(name = "census", version)]
struct Args {
    /// The users that were registered
    #[arg(long, value_name = "FILE")]
    users: PathBuf,
    /// Where the records are, host and port; without it they are not counted
    #[arg(long, value_name = "HOST:PORT")]
    redis: Option<String>,
    /// The folder that holds the objects of the run and nothing else
    #[arg(long, value_name = "DIR")]
    objects: PathBuf,
    /// The folder in which the mails of the run arrived
    #[arg(long, value_name = "DIR")]
    mails: PathBuf,
}

/// Whose something is: the place of a user in the file, or nobody's with a reason.
type Owner = Result<usize, String>;

/// What was found of one kind.
struct Count {
    /// `records`
    what: &'static str,
    owners: Vec<Owner>,
}

impl Count {
    /// A line for people, and what is wrong.
    fn judge(&self, users: &[users::User]) -> (String, Vec<String>) {
        let mut each = vec![0_usize; users.len()];
        let mut wrong = Vec::new();
        for owner in &self.owners {
            match owner {
                Ok(user) => each[*user] += 1,
                Err(why) => wrong.push(format!("{}: {why}", self.what)),
            }
        }
        for (user, count) in users.iter().zip(&each).filter(|(_, count)| **count != 1) {
            wrong.push(format!("{}: {} <{}> has {count}", self.what, user.name, user.email));
        }
        let right = each.iter().filter(|count| **count == 1).count();
        let line = format!(
            "{:<10} {} found; {right} of {} users have exactly one",
            self.what,
            self.owners.len(),
            users.len()
        );
        (line, wrong)
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool, String> {
    let users = users::read(&args.users)?;
    let mut counts = Vec::new();
    match &args.redis {
        Some(address) => counts.push(Count { what: "records", owners: records::count(address, &users)? }),
        None => println!("  {:<10} not counted: they were in the demo's own memory", "records"),
    }
    counts.push(Count { what: "portraits", owners: portraits::count(&args.objects, &users)? });
    counts.push(Count { what: "mails", owners: mails::count(&args.mails, &users)? });
    let mut wrong = Vec::new();
    for count in &counts {
        let (line, found) = count.judge(&users);
        println!("  {line}");
        wrong.extend(found);
    }
    for line in &wrong {
        println!("  WRONG  {line}");
    }
    Ok(wrong.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_two_and_a_stray_are_wrong() {
        let user =
            |name: &str| users::User { name: name.into(), email: format!("{name}@x"), portrait: Vec::new() };
        let users = [user("a"), user("b"), user("c")];
        let count = |owners| Count { what: "mails", owners };
        assert!(count(vec![Ok(2), Ok(0), Ok(1)]).judge(&users).1.is_empty());
        let (line, wrong) = count(vec![Ok(0), Ok(1), Ok(1), Err("stray".into())]).judge(&users);
        assert_eq!(line, "mails      4 found; 1 of 3 users have exactly one");
        assert_eq!(wrong, ["mails: stray", "mails: b <b@x> has 2", "mails: c <c@x> has 0"]);
    }
}
