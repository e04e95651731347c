//! The command line of a benchmark program.

use std::path::PathBuf;
use std::time::Duration;

use crate::report::Report;
use crate::rounds::Rounds;

/// What was asked for: `[--quick] [--only TEXT] [--alone NAME] [--report FILE]`.
#[derive(Debug, Clone)]
pub struct Options {
    /// A tenth of the time, to see that everything runs; such figures say little.
    pub quick: bool,
    /// Only cases whose name holds this text.
    pub only: Option<String>,
    /// Of the contestants only this one, to look at it with a profiler.
    pub alone: Option<String>,
    /// Where the report goes; standard output if nowhere.
    pub report: Option<PathBuf>,
    /// Into how many short turns a turn is divided.
    turns: u32,
}

impl Options {
    /// Reads the program's arguments.
    ///
    /// # Errors
    ///
    /// A sentence about what cannot be understood.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { quick: false, only: None, alone: None, report: None, turns: 1 };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--only" => options.only = Some(value()?),
                "--alone" => options.alone = Some(value()?),
                "--report" => options.report = Some(value()?.into()),
                _ => {
                    return Err(format!(
                        "{argument}? [--quick] [--only TEXT] [--alone NAME] [--report FILE]"
                    ));
                }
            }
        }
        Ok(options)
    }

    /// The same time in `turns` times as many rounds, each as much shorter: for a server that is busy with something of
    /// its own now and then, which a long turn takes for the contestant's slowness.
    #[must_use]
    pub fn in_short_turns(self, turns: u32) -> Self {
        Self { turns: turns.max(1), ..self }
    }

    /// Rounds, as many as a case is to have.
    #[must_use]
    pub fn rounds(&self, rounds: usize) -> Rounds {
        let rounds = if self.quick { 2 } else { rounds * self.turns as usize };
        Rounds::new(rounds, self.only.clone()).alone(self.alone.clone())
    }

    /// How long one measurement takes.
    #[must_use]
    pub fn slice(&self) -> Duration {
        if self.quick { Duration::from_millis(40) } else { Duration::from_millis(250) / self.turns }
    }

    /// Hands over the report.
    ///
    /// # Errors
    ///
    /// That the file cannot be written.
    pub fn hand_over(&self, rounds: Rounds) -> Result<(), String> {
        let report = Report { benches: rounds.finish() };
        let text = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        match &self.report {
            Some(file) => std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display())),
            None => {
                println!("{text}");
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(text.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options = parse("--quick --only get --report r.json").unwrap();
        assert!(options.quick);
        assert_eq!(options.only.as_deref(), Some("get"));
        assert_eq!(options.report, Some("r.json".into()));
        assert!(parse("--report").unwrap_err().contains("--report"));
        assert!(parse("--fast").unwrap_err().contains("--fast"));
    }

    #[test]
    fn short_turns_are_more_and_take_the_same_time() {
        let (whole, divided) = (parse("").unwrap(), parse("").unwrap().in_short_turns(5));
        assert_eq!(divided.slice() * 5, whole.slice());
    }
}
