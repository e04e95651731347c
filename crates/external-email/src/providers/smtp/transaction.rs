//! One mail over a connection: sender, recipients, content.
//!
//! Where the server offers PIPELINING (RFC 2920) the sender, all recipients and DATA are one write, and so is the mail with
//! its end: two round trips a mail. Else each command waits for its reply.

use std::time::Duration;

use external_core::email::{EmailAddress, Outcome, RecipientOutcome, Refusal};
use external_core::{CallContext, Effect, Error, Result};

use super::connection::Connection;
use super::error::{Step, refused};
use super::reply::Reply;
use crate::mime::headers::address as header_address;

/// The largest content that goes out in a single write with its end. More goes in blocks, so that a large mail is not
/// counted as sent before its last block.
const BLOCK: usize = 256 << 10;
/// How long a server that hung up may take to say why.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A mail with its envelope.
pub(super) struct Envelope<'a> {
    pub(super) from: &'a EmailAddress,
    pub(super) to: Vec<&'a EmailAddress>,
    pub(super) content: &'a [u8],
}

/// What became of a mail.
pub(super) struct Carried {
    pub(super) outcomes: Vec<RecipientOutcome>,
    /// The server's words for having taken it.
    pub(super) queued: Option<String>,
}

/// What the commands of most mails fit into.
const COMMANDS: usize = 256;
/// How many recipients are asked for in one write: few enough that their replies never fill both ends of the line.
const GROUP: usize = 100;

impl Connection {
    /// Carries one mail. Whether the connection can carry another one is [`Connection::clean`] afterwards.
    pub(super) async fn carry(&mut self, cx: &CallContext, mail: &Envelope<'_>) -> Result<Carried> {
        // What the server cannot take is found before it hears of it: the connection stays fit for the next mail.
        let (mail_from, utf8) = self.mail_from(mail)?;
        self.mails += 1;
        self.clean = false;
        let replies = if self.features().pipelining {
            self.pipelined(mail_from, &mail.to, utf8).await?
        } else {
            self.step_by_step(&mail_from, &mail.to, utf8).await?
        };
        let outcomes: Vec<RecipientOutcome> = mail
            .to
            .iter()
            .zip(&replies.recipients)
            .map(|(&to, reply)| RecipientOutcome::new(to.clone(), outcome(reply)))
            .collect();
        let accepted = outcomes.iter().any(|outcome| outcome.outcome.is_accepted());
        let queued = match (accepted, replies.data) {
            (true, Some(data)) if data.code == 354 => Some(self.content(cx, mail.content).await?),
            (true, Some(data)) => return Err(refused(Step::Data, &data)),
            // DATA was sent before the refusals were known. RFC 2920: a server that goes on nevertheless gets the end of an
            // empty mail; here it gets the end of the connection, and no mail at all.
            (false, Some(data)) if data.code == 354 => None,
            _ => {
                self.reset().await;
                None
            }
        };
        Ok(Carried { outcomes, queued })
    }

    /// `MAIL FROM` with what the server offers and the mail needs, and whether that is SMTPUTF8.
    fn mail_from(&self, mail: &Envelope<'_>) -> Result<(String, bool)> {
        let features = self.features();
        let size = mail.content.len() as u64;
        if let Some(Some(limit)) = features.size
            && size > limit
        {
            return Err(Error::payload_too_large("the mail is larger than the server takes")
                .with_effect(Effect::NotSent)
                .with_context("bytes", size)
                .with_context("limit", limit));
        }
        let mut addresses = mail.to.iter().copied().chain([mail.from]);
        let eight_bit = !mail.content.is_ascii();
        let utf8 = addresses.any(EmailAddress::needs_smtputf8)
            || (eight_bit && !mail.content[..find_header_end(mail.content)].is_ascii());
        if utf8 && !features.utf8 {
            return Err(
                Error::unsupported("smtputf8").with_context("because", "the server does not offer SMTPUTF8")
            );
        }
        if eight_bit && !features.eight_bit {
            return Err(Error::invalid_argument(
                "the mail holds 8-bit bytes and the server does not offer 8BITMIME",
            ));
        }
        let from = if utf8 { mail.from.as_str().into() } else { header_address(mail.from) };
        let mut line = String::with_capacity(COMMANDS);
        for piece in ["MAIL FROM:<", &from, ">"] {
            line.push_str(piece);
        }
        if features.size.is_some() {
            line.push_str(" SIZE=");
            line.push_str(&size.to_string());
        }
        if eight_bit {
            line.push_str(" BODY=8BITMIME");
        }
        if utf8 {
            line.push_str(" SMTPUTF8");
        }
        line.push_str("\r\n");
        Ok((line, utf8))
    }

    async fn pipelined(&mut self, mail_from: String, to: &[&EmailAddress], utf8: bool) -> Result<Replies> {
        let limit = self.timeouts().command;
        let mut replies = Vec::with_capacity(to.len());
        let groups = to.chunks(GROUP);
        let last = groups.len().saturating_sub(1);
        let mut commands = mail_from;
        for (number, group) in groups.enumerate() {
            group.iter().for_each(|to| push_recipient(&mut commands, to, utf8));
            if number == last {
                commands.push_str("DATA\r\n");
            }
            self.write(Step::Sender, commands.as_bytes(), limit).await?;
            commands.clear();
            if number == 0 {
                let sender = self.reply(Step::Sender, limit).await?;
                if !sender.is_positive() {
                    return Err(refused(Step::Sender, &sender));
                }
            }
            for _ in group {
                let reply = self.reply(Step::Recipient, limit).await?;
                stop_if_fatal(&reply)?;
                replies.push(reply);
            }
        }
        let data = self.reply(Step::Data, limit).await?;
        Ok(Replies { recipients: replies, data: Some(data) })
    }

    async fn step_by_step(&mut self, mail_from: &str, to: &[&EmailAddress], utf8: bool) -> Result<Replies> {
        let sender = self.command(Step::Sender, mail_from).await?;
        if !sender.is_positive() {
            self.clean = sender.code != 421;
            return Err(refused(Step::Sender, &sender));
        }
        let mut replies = Vec::with_capacity(to.len());
        let mut line = String::with_capacity(COMMANDS);
        for to in to {
            line.clear();
            push_recipient(&mut line, to, utf8);
            let reply = self.command(Step::Recipient, &line).await?;
            stop_if_fatal(&reply)?;
            replies.push(reply);
        }
        let data = match replies.iter().any(Reply::is_positive) {
            true => Some(self.command(Step::Data, "DATA\r\n").await?),
            false => None,
        };
        Ok(Replies { recipients: replies, data })
    }

    /// The mail and its end. From the moment the end may be on its way, only the server's answer tells what became of it.
    async fn content(&mut self, cx: &CallContext, content: &[u8]) -> Result<String> {
        let limits = self.timeouts();
        let bytes = with_end(content);
        let last = bytes.len().saturating_sub(BLOCK);
        for block in bytes[..last].chunks(BLOCK) {
            if let Err(error) = self.write(Step::Content, block, limits.block).await {
                return Err(self.last_words().await.unwrap_or(error));
            }
        }
        cx.mark_sent();
        let unknown = |error: Error| error.with_effect(Effect::MaybeApplied);
        if let Err(error) = self.write(Step::Content, &bytes[last..], limits.block).await {
            return Err(self.last_words().await.unwrap_or_else(|| unknown(error)));
        }
        let reply = self.reply(Step::Content, limits.data).await.map_err(unknown)?;
        match reply.code {
            200..=299 => {
                self.clean = true;
                Ok(reply.text())
            }
            400..=599 => {
                self.clean = reply.code != 421;
                Err(refused(Step::Content, &reply))
            }
            _ => Err(unknown(refused(Step::Content, &reply))),
        }
    }

    /// What a server said before it hung up on a mail that was still being written: a refusal, if it said one.
    async fn last_words(&mut self) -> Option<Error> {
        let reply = self.reply(Step::Content, LAST_WORDS).await.ok()?;
        (400..600).contains(&reply.code).then(|| refused(Step::Content, &reply))
    }

    /// Takes back a mail that nobody is to get, so that the connection can carry the next one.
    async fn reset(&mut self) {
        let reply = self.command(Step::Check, "RSET\r\n").await;
        self.clean = reply.is_ok_and(|reply| reply.is_positive());
    }
}

/// `RCPT TO`, with its line end.
fn push_recipient(out: &mut String, to: &EmailAddress, utf8: bool) {
    let address = if utf8 { to.as_str().into() } else { header_address(to) };
    for piece in ["RCPT TO:<", &address, ">\r\n"] {
        out.push_str(piece);
    }
}

struct Replies {
    recipients: Vec<Reply>,
    /// `None` if DATA was not worth asking for.
    data: Option<Reply>,
}

/// Replies to a recipient that are not about the recipient.
fn stop_if_fatal(reply: &Reply) -> Result<()> {
    match reply.code {
        421 | 530 | 534 | 535 | 538 => Err(refused(Step::Recipient, reply)),
        200..=299 | 400..=599 => Ok(()),
        _ => Err(refused(Step::Recipient, reply)),
    }
}

fn outcome(reply: &Reply) -> Outcome {
    let refusal = || Refusal::new(reply.text()).with_code(reply.vendor_code());
    match reply.code {
        200..=299 => Outcome::Accepted,
        400..=499 => Outcome::Deferred(refusal()),
        _ => Outcome::Refused(refusal()),
    }
}

fn find_header_end(content: &[u8]) -> usize {
    content.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(content.len())
}

/// The content as it goes over the line: dots at the start of a line doubled, ended by a line with one dot.
fn with_end(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 64 + 8);
    let mut rest = content;
    if rest.first() == Some(&b'.') {
        out.push(b'.');
    }
    // Hardly a mail has such a line, and this look at all of it at once takes no time at all.
    let dots = content
        .iter()
        .zip(content.iter().skip(1))
        .fold(false, |found, pair| found | (pair == (&b'\n', &b'.')));
    while dots && let Some(at) = find_dot_line(rest) {
        out.extend_from_slice(&rest[..at]);
        out.push(b'.');
        rest = &rest[at..];
    }
    out.extend_from_slice(rest);
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Where the next line starts with a dot.
fn find_dot_line(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    // Looking for line ends is quick; looking for the pair byte by byte is not.
    while let Some(end) = bytes.get(from..)?.iter().position(|&b| b == b'\n') {
        let next = from + end + 1;
        if bytes.get(next) == Some(&b'.') {
            return Some(next);
        }
        from = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::with_end;

    #[test]
    fn dots_are_doubled_and_the_end_stands_alone() {
        for (content, expected) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            (".a\r\n.\r\n..b\r\nc.d\r\n", "..a\r\n..\r\n...b\r\nc.d\r\n.\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n.\r\n"),
            ("", "\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(with_end(content.as_bytes())).unwrap(), expected);
        }
    }
}
