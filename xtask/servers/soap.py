#!/usr/bin/env python3
"""A SOAP service for tests, on spyne: one set of operations, at three doors.

    soap.py --port PORT

Doors on 127.0.0.1, each with its description at ?wsdl:
  /soap11   SOAP 1.1
  /soap12   SOAP 1.2
  /secure   SOAP 1.1 behind WS-Security: user app with password s3cret, as text or as digest, with a timestamp that holds;
            a nonce is taken once. Whoever fails is told by the fault wsse:FailedAuthentication.

Operations (document/literal wrapped, but for `echo_text`, which is bare):
  add(a, b)             their sum
  echo_order(order)     the order as it came: every kind of type
  echo_text(text)       the text as it came
  fail(code, detail)    a fault with that code and, if there is one, a detail
  flaky(key, failures)  a fault of the server so many times, then how often this key was asked
"""

import argparse
import base64
import collections
import datetime
import hashlib
import importlib.util
import io
import logging
import operator
import socketserver
import sys
import threading
import wsgiref.simple_server

from lxml import etree

# The copy of six within spyne is one that Python 3.12 cannot load: six itself takes its place, with what the copy adds.
spec = importlib.util.spec_from_file_location("spyne.util.six", importlib.util.find_spec("six").origin)
six = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(six)
six.get_function_name = operator.attrgetter("__name__")

from spyne import (
    AnyUri, Application, Array, Boolean, ByteArray, ComplexModel, Date, DateTime, Decimal, Double, Enum, Fault, Integer,
    Integer32, ServiceBase, Unicode, XmlAttribute, rpc,
)
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "urn:external:test"
USER, PASSWORD = "app", "s3cret"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"

State = Enum("open", "paid", "sent", type_name="State")


class Item(ComplexModel):
    __namespace__ = NAMESPACE
    sku = Unicode(min_occurs=1, nillable=False)
    count = Integer32(min_occurs=1, nillable=False)
    price = Decimal
    gift = Boolean


class Order(ComplexModel):
    __namespace__ = NAMESPACE
    priority = XmlAttribute(Integer32)
    id = Unicode(min_occurs=1, nillable=False)
    state = State
    weight = Double
    due = DateTime
    day = Date
    page = AnyUri
    payload = ByteArray
    huge = Integer
    note = Unicode(nillable=True)
    tag = Unicode(max_occurs="unbounded")
    items = Array(Item)


asked = collections.Counter()
lock = threading.Lock()


class Operations(ServiceBase):
    @rpc(Integer32, Integer32, _returns=Integer32)
    def add(ctx, a, b):
        return a + b

    @rpc(Order, _returns=Order)
    def echo_order(ctx, order):
        return order

    @rpc(Unicode, _returns=Unicode, _body_style="bare")
    def echo_text(ctx, text):
        return text

    @rpc(Unicode, Unicode, _returns=Unicode)
    def fail(ctx, code, detail):
        raise Fault(code, "it failed", detail={"why": detail} if detail else None)

    @rpc(Unicode, Integer32, _returns=Integer32)
    def flaky(ctx, key, failures):
        with lock:
            asked[key] += 1
            times = asked[key]
        if times <= failures:
            raise Fault("Server", "not yet")
        return times


def door(protocol):
    # What spyne says of a message that its schema does not let through is no fault in version 1.2.
    inner = protocol(validator="lxml" if protocol is Soap11 else "soft")
    application = Application([Operations], NAMESPACE, name="External", in_protocol=inner, out_protocol=protocol())
    return WsgiApplication(application)


nonces = set()


def refusal(envelope):
    """Why a message is not let in; None if it is."""
    now = datetime.datetime.now(datetime.timezone.utc)
    at = lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    security = envelope.find("{*}Header/{%s}Security" % WSSE)
    if security is None:
        return "no security header"
    expires = security.findtext("{%s}Timestamp/{%s}Expires" % (WSU, WSU))
    if expires is None or at(expires) < now:
        return "no timestamp, or one that has expired"
    token = security.find("{%s}UsernameToken" % WSSE)
    find = lambda namespace, name: token.find("{%s}%s" % (namespace, name))
    password = find(WSSE, "Password")
    if find(WSSE, "Username").text != USER:
        return "nobody"
    if password.get("Type") == PROFILE + "#PasswordText":
        return None if password.text == PASSWORD else "another password"
    nonce, created = base64.b64decode(find(WSSE, "Nonce").text), find(WSU, "Created").text
    digest = hashlib.sha1(nonce + created.encode() + PASSWORD.encode()).digest()
    if base64.b64decode(password.text) != digest:
        return "another password"
    if abs(now - at(created)) > datetime.timedelta(minutes=5):
        return "too old"
    with lock:
        if nonce in nonces:
            return "a nonce that was there before"
        nonces.add(nonce)
    return None


def secured(application):
    def answer(environ, start):
        if environ["REQUEST_METHOD"] != "POST":
            return application(environ, start)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        why = refusal(etree.fromstring(body))
        if why is None:
            environ["wsgi.input"] = io.BytesIO(body)
            return application(environ, start)
        fault = (
            '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>'
            '<faultcode xmlns:w="%s">w:FailedAuthentication</faultcode><faultstring>%s</faultstring>'
            "</e:Fault></e:Body></e:Envelope>" % (WSSE, why)
        )
        start("500 Internal Server Error", [("Content-Type", "text/xml")])
        return [fault.encode()]

    return answer


class Server(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    doors = {"/soap11": door(Soap11), "/soap12": door(Soap12), "/secure": secured(door(Soap11))}

    def route(environ, start):
        application = doors.get(environ.get("PATH_INFO"))
        if application is None:
            start("404 Not Found", [("Content-Type", "text/html")])
            return [b"<html><body>nothing here</body></html>"]
        return application(environ, start)

    wsgiref.simple_server.make_server("127.0.0.1", port, route, Server, Quiet).serve_forever()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    main()
