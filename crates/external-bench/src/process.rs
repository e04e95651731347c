//! What this process has taken: processor time and memory.

/// What Linux tells of a process; elsewhere nothing, and the figures are 0.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    /// Of the processor, in user and kernel mode.
    pub cpu_seconds: f64,
    /// The resident memory.
    pub resident_bytes: u64,
    /// The most it ever was.
    pub peak_bytes: u64,
}

impl Process {
    /// This process.
    #[must_use]
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        Self {
            cpu_seconds: cpu_seconds(&stat).unwrap_or_default(),
            resident_bytes: kibibytes(&status, "VmRSS:").unwrap_or_default() << 10,
            peak_bytes: kibibytes(&status, "VmHWM:").unwrap_or_default() << 10,
        }
    }
}

fn kibibytes(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15, in hundredths of a second; the second field is the program's name and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_read() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!((kibibytes(status, "VmHWM:"), kibibytes(status, "VmRSS:")), (Some(2048), Some(1024)));
        assert_eq!(cpu_seconds("1 (a) b) S 2 3 4 5 6 7 8 9 10 11 250 50 0 0"), Some(3.0));
        assert_eq!(cpu_seconds(""), None);
    }
}
