#!/usr/bin/env python3
"""Writes what zeep would send for the cases beside it: `pip install zeep==4.3.3`, then `python3 zeep_requests.py`.

zeep takes Python values where the cases have JSON: this script turns one into the other, and checks nothing.
"""

import base64
import datetime
import decimal
import json
import pathlib

from lxml import etree
from zeep import Client, Transport, xsd

HERE = pathlib.Path(__file__).parent
BYTES = {"payload"}
DECIMALS = {"discount"}
TIMES = {"due": lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))}
DATES = {"day", "since"}


class Here(Transport):
    """Fetches nothing: what everybody knows is an empty schema."""

    def _load_remote_data(self, url):
        assert url == "http://www.w3.org/2001/xml.xsd", url
        return b'<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace"/>'


def python(client, key, value):
    """A value of JSON as zeep wants it."""
    if value is None:
        return xsd.Nil
    if isinstance(value, list):
        return [python(client, key, item) for item in value]
    if isinstance(value, dict):
        kind = value.get("@xsi:type")
        fields = {}
        for name, inner in value.items():
            if name == "@xsi:type":
                continue
            name = "_value_1" if name == "$text" else name.lstrip("@")
            fields[name] = python(client, name, inner)
        return client.get_type("{urn:people}" + kind)(**fields) if kind else fields
    if key in BYTES:
        return base64.b64decode(value)
    if key in DECIMALS:
        return decimal.Decimal(value)
    if key in TIMES:
        return TIMES[key](value)
    if key in DATES:
        return datetime.date.fromisoformat(value)
    return value


for case in json.loads((HERE / "cases.json").read_text()):
    client = Client(str(HERE.parent / "wsdl" / case["wsdl"]), port_name=case["port"], transport=Here())
    arguments = python(client, "", case["arguments"])
    if case["operation"] == "Place":
        arguments = {"_soapheaders": {"tenant": "7"}, **arguments}
    positional = [] if isinstance(arguments, dict) else [arguments]
    named = arguments if isinstance(arguments, dict) else {}
    message = client.create_message(client.service, case["operation"], *positional, **named)
    (HERE / (case["name"] + ".xml")).write_bytes(etree.tostring(message, encoding="utf-8") + b"\n")
