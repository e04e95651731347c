"""Calls a SOAP service with zeep, for the http benchmark.

Argument: where the service's description is. Each line on standard input is a task, `CALLERS SECONDS`; its answer is how
many calls a second were made. A caller is a thread with a client and a connection of its own. The end of the input ends
the program.
"""

import sys
import threading
import time

import zeep

LINES = [
    {"sku": "KT-2", "count": 2, "price": "34.99"},
    {"sku": "CP-7", "count": 6, "price": "4.50"},
    {"sku": "SP-1", "count": 1, "price": "12.00"},
]


class Caller:
    def __init__(self, url):
        self.service = zeep.Client(url).service
        self.calls = 0

    def run(self, until):
        self.calls = 0
        while time.monotonic() < until:
            taken = self.service.place(customer="Ada Lovelace", note="Please ring twice, the bell is weak.", line=LINES)
            assert taken.id == 4711 and len(taken.line) == 3
            self.calls += 1


def main():
    callers = []
    for task in sys.stdin:
        number, seconds = task.split()
        while len(callers) < int(number):
            callers.append(Caller(sys.argv[1]))
        start = time.monotonic()
        threads = [threading.Thread(target=caller.run, args=(start + float(seconds),)) for caller in callers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(sum(caller.calls for caller in callers) / (time.monotonic() - start), flush=True)


main()
