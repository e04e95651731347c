//! The GraphQL server: `xtask/servers/graphql/server.cjs` on graphql-yoga and graphql-ws.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::node::{self, Packages};
use super::{Place, Program, Server};
use crate::failure::{Failure, Result};

/// Queries, mutations, uploads, persisted queries; subscriptions by server-sent events and over WebSocket.
pub const GRAPHQL: Server = Server {
    name: "graphql",
    what: "GraphQL: graphql-yoga, with graphql-ws",
    note: "subscriptions by server-sent events, and over graphql-transport-ws at the same URL",
    variables: &["EXTERNAL_TEST_GRAPHQL_URL"],
    ports: 1,
    sources: |host| node::sources(host, PACKAGES),
    prepare: |_, _, _| Ok(()),
    command: |program, place| Ok(command(program, place)),
    ready: |place| answers(place.ports[0]),
    addresses: |place| vec![format!("http://127.0.0.1:{}/graphql", place.ports[0])],
};

const PACKAGES: Packages =
    Packages { folder: "graphql", kept_as: "graphql-yoga-5.24.1", what: "graphql-yoga" };

fn command(program: &Program, place: &Place) -> Command {
    let mut command = program.command();
    command.arg(place.tool.join("servers/graphql/server.cjs")).arg("--port").arg(place.ports[0].to_string());
    command.env("NODE_ENV", "production");
    command
}

/// A query.
fn answers(port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(
        b"GET /graphql?query=%7Bgreeting%7D HTTP/1.1\r\nhost: localhost\r\naccept: application/json\r\nconnection: close\r\n\r\n",
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    if answer.contains(r#""greeting":"hello you""#) {
        Ok(())
    } else {
        Err(Failure::new(format!("answered {:?}", answer.lines().next().unwrap_or_default())))
    }
}
