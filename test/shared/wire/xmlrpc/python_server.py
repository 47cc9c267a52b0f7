"""An outside server: Python's standard library over mutual TLS. Prints its port, serves until its input ends."""
import os
import ssl
import sys
import threading
import xmlrpc.client as rpc
from xmlrpc.server import SimpleXMLRPCRequestHandler, SimpleXMLRPCServer


class Handler(SimpleXMLRPCRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections


key, cert, ca = sys.argv[1:4]
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(cert, key)
server = SimpleXMLRPCServer(("127.0.0.1", 0), Handler, logRequests=False, allow_none=True)
server.socket = context.wrap_socket(server.socket, server_side=True)


def refuse():
    raise rpc.Fault(501, "SLICE_EXISTS: slice already exists; choose another name")


def fail():
    raise rpc.Fault(4711, "of its own kind")


server.register_function(lambda params: params["value"], "echo")
server.register_function(lambda: "somebody", "whoami")
server.register_function(refuse)
server.register_function(fail)
print(server.server_address[1], flush=True)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
server.serve_forever()
