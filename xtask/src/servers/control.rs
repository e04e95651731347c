//! The control port: suites and the demo ask it to stop, kill and restart servers.
//!
//! One line a request, one line an answer: `stop redis`, `kill smtp`, `start redis`, `pause redis` (the connections stay
//! open and nothing answers), `resume redis` -> `ok`, or `error: why`.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Ended, Fleet};
use crate::failure::{Context, Failure, Result};

/// Hands the fleet to a control port. Answers the variables by which suites find both, and what stops the servers when it
/// goes: the port lives as long as the process.
pub fn hand_over(fleet: Fleet) -> Result<(Vec<(&'static str, String)>, Ended)> {
    let mut variables: Vec<_> = fleet.variables().into_iter().collect();
    let fleet = Arc::new(Mutex::new(fleet));
    let ended = Ended(Arc::clone(&fleet));
    variables.push(("EXTERNAL_CONTROL", serve(fleet)?.to_string()));
    Ok((variables, ended))
}

/// Serves the port until the process ends, and says where.
pub fn serve(fleet: Arc<Mutex<Fleet>>) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot open the control port")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let fleet = Arc::clone(&fleet);
            std::thread::spawn(move || {
                let _ = converse(&fleet, &stream);
            });
        }
    });
    Ok(address)
}

fn converse(fleet: &Mutex<Fleet>, stream: &TcpStream) -> Result<()> {
    let mut out = stream;
    stream.set_nodelay(true)?;
    for line in BufReader::new(stream).lines() {
        let answer = match obey(&mut fleet.lock().unwrap_or_else(PoisonError::into_inner), &line?) {
            Ok(()) => "ok".to_owned(),
            Err(failure) => format!("error: {}", failure.to_string().replace('\n', " ")),
        };
        out.write_all(format!("{answer}\n").as_bytes())?;
    }
    Ok(())
}

fn obey(fleet: &mut Fleet, line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("stop"), Some(name), None) => fleet.stop(name),
        (Some("kill"), Some(name), None) => fleet.kill(name),
        (Some("start"), Some(name), None) => fleet.start(name),
        (Some("pause"), Some(name), None) => fleet.pause(name),
        (Some("resume"), Some(name), None) => fleet.resume(name),
        _ => Err(Failure::new(format!(
            "cannot read {line:?}: say stop, kill, start, pause or resume, and a server"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::process::Groups;
    use crate::servers::{Host, Server, Source};
    use crate::workspace::Workspace;

    /// A program that runs, in a folder that shows whether it was prepared again.
    const FAKE: Server = Server {
        name: "fake",
        what: "nothing",
        note: "nothing",
        variables: &["EXTERNAL_TEST_FAKE_OF_XTASK"],
        ports: 1,
        sources: |_| vec![Source::on_path("sh")],
        prepare: |_, _, place| Ok(fs::create_dir(place.data.join("prepared"))?),
        command: |program, place| {
            let mut command = program.command();
            command.args(["-c", "touch prepared/started; exec sleep 60"]).current_dir(&place.data);
            Ok(command)
        },
        ready: |place| fs::metadata(place.data.join("prepared/started")).map(drop).context("not yet"),
        addresses: |place| vec![format!("127.0.0.1:{}", place.ports[0])],
    };

    #[test]
    fn servers_are_stopped_killed_and_started_where_they_were() {
        let folder = std::env::temp_dir().join(format!("xtask-control-{}", std::process::id()));
        let groups = Groups::new(&folder);
        let workspace = Workspace { root: folder.clone(), target: folder.clone(), packages: Vec::new() };
        let mut fleet = Fleet::new(groups.clone());
        fleet.add(&FAKE, &Host { workspace: &workspace, groups: &groups }, &folder, None);
        let address = fleet.variables()["EXTERNAL_TEST_FAKE_OF_XTASK"].clone();
        let fleet = Arc::new(Mutex::new(fleet));
        let stream = TcpStream::connect(serve(Arc::clone(&fleet)).unwrap()).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut tell = |line: &str| {
            (&stream).write_all(format!("{line}\n").as_bytes()).unwrap();
            answers.next().unwrap().unwrap()
        };
        let living = || crate::runs::records(&folder).len();
        for (end, start) in [("kill fake", "start fake"), ("stop fake", "start fake")] {
            assert_eq!(tell(end), "ok");
            assert_eq!(living(), 0);
            assert_eq!(tell(start), "ok");
            assert_eq!(living(), 1);
        }
        // It runs, so nothing is started.
        assert_eq!(tell("start fake"), "ok");
        // Its folder could be prepared only once, and is as it was.
        assert!(folder.join("fake/prepared/started").is_file());
        assert_eq!(fleet.lock().unwrap().variables()["EXTERNAL_TEST_FAKE_OF_XTASK"], address);
        assert_eq!(tell("kill other"), "error: no server other here; there are: fake");
        assert!(tell("please").starts_with("error: cannot read"));
        fleet.lock().unwrap().end();
        assert_eq!(living(), 0);
    }
}
