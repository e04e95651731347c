//! What differs between operating systems: how to tell a process from a later one with the same id.

/// A text that is the same for as long as process `pid` lives and differs for any other process that ever gets that
/// id; `None` when there is no such process (a zombie counts as gone).
#[cfg(target_os = "linux")]
pub fn birth(pid: i32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in round brackets and may hold anything, so count from the last bracket.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    if matches!(fields.first(), Some(&"Z" | &"X")) {
        return None;
    }
    // Field 22, the start in clock ticks since boot; the boot's own id keeps it apart from a former boot's.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Some(format!("{} {}", fields.get(19)?, boot.trim()))
}

/// As on Linux, by `ps`, to the second.
#[cfg(not(target_os = "linux"))]
pub fn birth(pid: i32) -> Option<String> {
    let out = std::process::Command::new("ps")
        .args(["-o", "stat=,lstart=", "-p", &pid.to_string()])
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    let (state, start) = text.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| start.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::birth;

    #[test]
    fn a_process_keeps_its_birth_and_loses_it_at_its_end() {
        let me = i32::try_from(std::process::id()).unwrap();
        assert_eq!(birth(me).unwrap(), birth(me).unwrap());
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert_ne!(birth(pid), birth(me).filter(|_| false));
        assert!(birth(pid).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(birth(pid), None);
    }
}
