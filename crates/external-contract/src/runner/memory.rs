//! How much memory this program has taken.

/// The most that was in RAM at a time, in bytes, as Linux counts it (`VmHWM`); elsewhere it is not known.
pub(super) fn peak() -> Option<u64> {
    in_status(&std::fs::read_to_string("/proc/self/status").ok()?)
}

fn in_status(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_linux_says() {
        let status = "Name:\tcontract\nVmPeak:\t  999999 kB\nVmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\n";
        assert_eq!(in_status(status), Some(20 << 20));
        assert_eq!(in_status("Name:\tcontract\n"), None);
        assert_eq!(in_status("VmHWM:\tmuch kB\n"), None);
    }
}
