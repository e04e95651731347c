#!/usr/bin/env python3
"""An SMTP server for tests, on aiosmtpd: three doors, a spool folder, and scripted answers.

    smtp.py --plain PORT --starttls PORT --tls PORT --spool DIR --certificate PEM --key PEM

Doors (all on 127.0.0.1, each with SIZE, 8BITMIME and SMTPUTF8):
  plain     no TLS, no AUTH
  starttls  refuses mail before STARTTLS (530) and before AUTH (530)
  tls       TLS from the first byte, AUTH required
AUTH is PLAIN and LOGIN with app / s3cret, and XOAUTH2 for user app: `token-good` is taken, `token-expired` is refused the
way Gmail does it (a 334 with a JSON reason, then 535), any other token with 535 at once.

Each accepted mail becomes one file NNN.eml in the spool, durable before the 250, with these headers put before it:
X-Envelope-From, X-Envelope-To (one line a recipient), X-Envelope-Door, X-Envelope-Auth (the user, if any).

Answers are scripted by local part, up to a `+`, so that addresses can be made unique (`refuse550+abc@example.test`):
  sender     nosender      550 5.1.0 at MAIL
             slowsender    three seconds before the answer to MAIL
  recipient  refuse550     550 5.1.1 at RCPT
             defer451      451 4.2.1 at RCPT
             full552       552 5.2.2 at RCPT
             slow          three seconds before the answer to RCPT
             slowdata      three seconds before the answer to the final dot (the mail is spooled first)
             datafail      554 5.6.0 after the final dot, nothing spooled
             datadefer     451 4.3.0 after the final dot, nothing spooled
             closing421    421 4.3.2 after the final dot and the connection closes, nothing spooled
             dropafterdata spooled, then the connection closes without an answer
             dropatrcpt    the connection closes at RCPT without an answer
"""

import argparse
import asyncio
import base64
import itertools
import logging
import os
import ssl
import time
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, auth_mechanism

USER, PASSWORD, TOKEN = b"app", b"s3cret", b"token-good"
SIZE_LIMIT = 10 * 1024 * 1024
AT_RCPT = {
    "refuse550": "550 5.1.1 No such mailbox",
    "defer451": "451 4.2.1 Mailbox busy, try again later",
    "full552": "552 5.2.2 Mailbox full",
}
AT_DATA = {
    "datafail": "554 5.6.0 Message refused",
    "datadefer": "451 4.3.0 Try again later",
    "closing421": "421 4.3.2 Closing the connection",
}


def local_part(address):
    return address.rpartition("@")[0].partition("+")[0].lower()


def hang_up(server):
    """Ends the connection without an answer; what aiosmtpd writes afterwards goes nowhere."""
    server.transport.abort()
    raise asyncio.CancelledError


def authenticate(_server, _session, _envelope, _mechanism, data):
    # handled=False makes aiosmtpd send the 535 itself; without it a bad password leaves the client waiting.
    good = data.login == USER and data.password == PASSWORD
    return AuthResult(success=good, handled=False, auth_data=data)


class Handler:
    numbers = itertools.count(1)

    def __init__(self, door, spool):
        self.door, self.spool = door, spool

    @auth_mechanism("XOAUTH2")
    async def auth_XOAUTH2(self, server, args):
        if len(args) == 2:
            try:
                blob = base64.b64decode(args[1], validate=True)
            except ValueError:
                await server.push("501 5.5.2 Can't decode base64")
                return AuthResult(success=False)
        else:
            blob = await server.challenge_auth("")
            if not isinstance(blob, bytes):
                return AuthResult(success=False)
        if blob == b"user=" + USER + b"\x01auth=Bearer " + TOKEN + b"\x01\x01":
            return AuthResult(success=True, auth_data=LoginPassword(USER, b""))
        if b"token-expired" in blob:
            answer = await server.challenge_auth('{"status":"401","schemes":"Bearer","scope":"https://mail.example/"}')
            if not isinstance(answer, bytes):
                return AuthResult(success=False)
        return AuthResult(success=False, handled=False)

    async def handle_MAIL(self, server, _session, envelope, address, options):
        who = local_part(address)
        if who == "nosender":
            return "550 5.1.0 Sender refused"
        if who == "slowsender":
            await asyncio.sleep(3)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, _session, envelope, address, options):
        who = local_part(address)
        if who in AT_RCPT:
            return AT_RCPT[who]
        if who == "dropatrcpt":
            hang_up(server)
        if who == "slow":
            await asyncio.sleep(3)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        who = {local_part(address) for address in envelope.rcpt_tos}
        for name, answer in AT_DATA.items():
            if name in who:
                if answer.startswith("421"):
                    await server.push(answer)
                    server.transport.close()
                    raise asyncio.CancelledError
                return answer
        self.keep(session, envelope)
        if "dropafterdata" in who:
            hang_up(server)
        if "slowdata" in who:
            await asyncio.sleep(3)
        return "250 2.0.0 Queued"

    def keep(self, session, envelope):
        head = [f"X-Envelope-From: {envelope.mail_from}"]
        head += [f"X-Envelope-To: {address}" for address in envelope.rcpt_tos]
        head.append(f"X-Envelope-Door: {self.door}")
        if session.auth_data:
            head.append(f"X-Envelope-Auth: {session.auth_data.login.decode()}")
        content = "".join(line + "\r\n" for line in head).encode() + envelope.original_content
        os.makedirs(self.spool, exist_ok=True)
        name = os.path.join(self.spool, f"{time.time_ns()}-{next(self.numbers):06}")
        with open(name + ".part", "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(name + ".part", name + ".eml")
        folder = os.open(self.spool, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for door in ("plain", "starttls", "tls"):
        parser.add_argument("--" + door, type=int, required=True)
    parser.add_argument("--spool", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    asked = parser.parse_args()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(asked.certificate, asked.key)

    def protocol(door, **settings):
        return lambda: SMTP(
            Handler(door, asked.spool),
            hostname="localhost",
            ident="external test server",
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
            **settings,
        )

    listen = asyncio.get_running_loop().create_server
    no_auth = ("PLAIN", "LOGIN", "XOAUTH2")
    doors = [
        await listen(protocol("plain", auth_exclude_mechanism=no_auth), "127.0.0.1", asked.plain),
        await listen(
            protocol("starttls", tls_context=tls, require_starttls=True, auth_required=True, authenticator=authenticate),
            "127.0.0.1",
            asked.starttls,
        ),
        # aiosmtpd knows TLS only by its own STARTTLS, so on this door it must not ask for it once more.
        await listen(
            protocol("tls", auth_required=True, auth_require_tls=False, authenticator=authenticate),
            "127.0.0.1",
            asked.tls,
            ssl=tls,
        ),
    ]
    await asyncio.gather(*(door.serve_forever() for door in doors))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    asyncio.run(main())
