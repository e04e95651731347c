"""A simple Python service that sends mails with aiosmtplib, for the email benchmark.

Arguments: `kept` (a connection each caller) or `anew` (a connection each mail, which is what `aiosmtplib.send` makes),
and the server's port on 127.0.0.1. Each line on standard input is a task, `CALLERS SECONDS`; its answer is how many
mails a second were taken. The end of the input ends the program.
"""

import asyncio
import sys
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

import aiosmtplib

HOST = "127.0.0.1"


def message():
    """The mail that the other contestants write, written anew each time as they do."""
    mail = EmailMessage()
    mail["From"] = "shop@example.org"
    mail["To"] = "ada@example.net"
    mail["Subject"] = "Your order"
    mail["Date"] = formatdate()
    # Without a domain the machine's name is looked up for each mail.
    mail["Message-ID"] = make_msgid(domain="example.org")
    mail.set_content("Dear Ada,\n\nyour order is on its way. It will be with you in two days.\n\nThe shop\n")
    return mail


class Callers:
    """The callers and, where they keep them, their connections."""

    def __init__(self, kept, port):
        self.kept = kept
        self.port = port
        self.connections = {}

    async def run(self, callers, seconds):
        start = time.monotonic()
        until = start + seconds
        mails = await asyncio.gather(*(self.caller(number, until) for number in range(callers)))
        return sum(mails) / (time.monotonic() - start)

    async def caller(self, number, until):
        mails = 0
        while time.monotonic() < until:
            if self.kept:
                connection = await self.connection(number)
                await connection.send_message(message())
            else:
                await aiosmtplib.send(
                    message(), hostname=HOST, port=self.port, start_tls=False, local_hostname="localhost"
                )
            mails += 1
        return mails

    async def connection(self, number):
        if number not in self.connections:
            connection = aiosmtplib.SMTP(
                hostname=HOST, port=self.port, start_tls=False, local_hostname="localhost"
            )
            await connection.connect()
            self.connections[number] = connection
        return self.connections[number]


async def main():
    how, port = sys.argv[1:]
    callers = Callers(how == "kept", int(port))
    for line in sys.stdin:
        number, seconds = line.split()
        print(await callers.run(int(number), float(seconds)), flush=True)


asyncio.run(main())
