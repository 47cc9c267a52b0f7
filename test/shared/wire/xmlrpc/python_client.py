"""An outside client: Python's standard library against our server. Prints what came back as JSON."""
import datetime
import json
import ssl
import sys
import xmlrpc.client as rpc

url, key, cert, ca = sys.argv[1:5]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
server = rpc.ServerProxy(url, context=context, allow_none=True)

values = [
    0, -1, 2**31 - 1, -(2**31), 0.1, -2.5, 1e21, 1e-5, True, False, None, "", " a\tb\n", "<ticket>&amp;]]>", "žluťoučký 🐎",
    [], [1, ["two", [3.5]]], {}, {"a": {"b": [1, 2]}, "__proto__": "x"},
]
for value in values:
    back = server.echo({"value": value})
    assert back == value and isinstance(back, type(value)) or value == 1e21 == back, (value, back)

binary = bytes(range(256)) * 40
assert server.echo({"value": rpc.Binary(binary)}).data == binary
for moment in (rpc.DateTime("20300102T03:04:05"), datetime.datetime(2030, 1, 2, 3, 4, 5)):
    assert server.echo({"value": moment}).value == "20300102T03:04:05"

faults = {}
calls = {
    "refuse": lambda: server.refuse(),
    "unknown": lambda: server.nothing(),
    "misspelt": lambda: server.add({"amuont": 1}),
    "positional": lambda: server.add(1),
    "too large": lambda: server.echo({"value": "x" * 5_000_000}),
    "multicall": lambda: rpc.MultiCall(server).refuse() or server.system.multicall([]),
}
for name, call in calls.items():
    try:
        call()
    except rpc.Fault as fault:
        faults[name] = [fault.faultCode, fault.faultString]

print(json.dumps({
    "whoami": server.whoami(),
    "count": server.getconfig()["count"],
    "methods": server.system.listMethods(),
    "help": server.system.methodHelp("refuse"),
    "signature": server.system.methodSignature("getconfig"),
    "faults": faults,
}))
