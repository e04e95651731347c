//! A mail server that answers at once and keeps nothing: one thread of its own for all connections.
//!
//! It acknowledges each packet when it comes. Else those who write a mail in two pieces without TCP_NODELAY would wait
//! 40 ms for the acknowledgement of the first, and nothing else of them would be seen; the real server shows that.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::platform::acknowledge_at_once;

/// Starts it, and says on which port of 127.0.0.1.
pub(crate) fn start() -> io::Result<u16> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        runtime.block_on(async {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move { drop(serve(stream).await) });
            }
        });
    });
    Ok(port)
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut session = Session::default();
    let mut out = b"220 sink ready\r\n".to_vec();
    let mut input = Vec::with_capacity(16 << 10);
    loop {
        if !out.is_empty() {
            stream.write_all(&out).await?;
            out.clear();
        }
        acknowledge_at_once(&stream)?;
        if session.over || stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        let taken = session.read(&input, &mut out);
        input.drain(..taken);
    }
}

#[derive(Default)]
struct Session {
    in_mail: bool,
    over: bool,
}

impl Session {
    /// Answers what is complete; the number is how many bytes that was.
    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while !self.over {
            let rest = &input[at..];
            if self.in_mail {
                // What ends a mail ends what has arrived: nobody sends more before the answer.
                if !rest.ends_with(b"\r\n.\r\n") {
                    return at;
                }
                self.in_mail = false;
                out.extend_from_slice(b"250 2.0.0 taken\r\n");
                return input.len();
            }
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else { return at };
            at += end + 1;
            out.extend_from_slice(self.answer(&rest[..end]));
        }
        at
    }

    fn answer(&mut self, line: &[u8]) -> &'static [u8] {
        let verb = line.get(..4).unwrap_or(line).to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" => b"250-sink\r\n250-PIPELINING\r\n250-SIZE 26214400\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n",
            b"DATA" => {
                self.in_mail = true;
                b"354 go on\r\n"
            }
            b"QUIT" => {
                self.over = true;
                b"221 2.0.0 bye\r\n"
            }
            b"MAIL" | b"RCPT" | b"RSET" | b"NOOP" | b"HELO" => b"250 2.0.0 ok\r\n",
            _ => b"500 5.5.1 what?\r\n",
        }
    }
}
