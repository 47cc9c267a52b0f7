"""Python's XML-RPC for bench/xmlrpc.ts: `serve KEY CERT CA` or `call URL KEY CERT CA`, steered by lines on stdin."""
import json
import ssl
import sys
import threading
import time
import xmlrpc.client as rpc
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer

role, *rest = sys.argv[1:]
ads = json.loads(sys.stdin.readline())


class Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write an answer, as the others do


def serve(key, cert, ca):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(cert, key)
    server = SimpleXMLRPCServer(("127.0.0.1", 0), Handler, logRequests=False, allow_none=True)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.register_function(lambda params: params["value"], "echo")
    server.register_function(lambda: ads, "getads")
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def call(url, key, cert, ca):
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    server = rpc.ServerProxy(url, context=context, allow_none=True)
    body = rpc.dumps((ads,), methodresponse=True, allow_none=True)
    work = {
        "echo": lambda: server.echo({"value": "hello"}),
        "getads": lambda: server.getads(),
        "build": lambda: rpc.dumps((ads,), methodresponse=True, allow_none=True),
        "parse": lambda: rpc.loads(body),
    }
    print("ready", flush=True)
    for line in sys.stdin:
        name, times = line.split()
        begun = time.perf_counter()
        for _ in range(int(times)):
            work[name]()
        print((time.perf_counter() - begun) / int(times), flush=True)


{"serve": serve, "call": call}[role](*rest)
