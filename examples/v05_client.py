#!/usr/bin/env python3
"""A client of PlanetLab version 0.5's calls, written with nothing but Python's standard library.

    examples/v05_client.py DIR/testbed.json [SLICE]

gets tickets for two nodes, makes a virtual machine on each in both of v0.5's ways, plays with keys, renews, deletes,
and prints each step. It is how an outside program talks to Slicelab, and it is run by the tests.
"""

import email.parser
import json
import ssl
import subprocess
import sys
import tempfile
import time
import xml.dom.minidom
import xmlrpc.client


class Document:
    """A ticket or lease as v0.5's programs read it: header, empty line, XML; elements found by name."""

    def __init__(self, data):
        message = email.parser.Parser().parsestr(data)
        self.headers = dict(message.items())
        self.dom = xml.dom.minidom.parseString(message.get_payload())

    def text(self, name):
        element = self.dom.getElementsByTagName(name)[0]
        return "".join(n.data for n in element.childNodes if n.nodeType == n.TEXT_NODE).strip()


def proxy(testbed, url, who):
    """A server proxy that presents who's certificate and verifies the server by the authority's, nothing special."""
    context = ssl.create_default_context(cafile=testbed["authority"])
    context.load_cert_chain(testbed["principals"][who]["cert"], testbed["principals"][who]["key"])
    return xmlrpc.client.ServerProxy(url, context=context)


def ssh_key(comment):
    with tempfile.TemporaryDirectory() as directory:
        path = directory + "/key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], check=True)
        return open(path).read(), open(path + ".pub").read().strip()


def fault_of(call, *arguments):
    try:
        call(*arguments)
    except xmlrpc.client.Fault as fault:
        return fault
    raise AssertionError("the call succeeded although it should have been refused")


def step(text, *details):
    print("%-34s" % text, *details, flush=True)


def without_comment(key):
    return " ".join(key.split()[:2])


def main(path, name="oldtimer"):
    testbed = json.load(open(path))
    agent = proxy(testbed, testbed["agent"]["tls"], "alice")
    first, second = testbed["nodes"][:2]

    if "plain" in testbed["agent"]:
        probe = xmlrpc.client.ServerProxy(testbed["agent"]["plain"])
        step("plain getconfig, getads", probe.getconfig()["maxlease"], sorted(probe.getads()))
    step("getconfig", sorted(agent.getconfig()))
    ads = agent.getads()
    assert {first["ip"], second["ip"]} <= set(ads), ads
    step("getads", sorted(ads))

    wanted = {"slice": name, "ntickets": 2, "leaselen": 3600, "ips": (first["ip"], second["ip"])}
    tickets = {Document(data).text("ip"): data for data in agent.newtickets(wanted)}
    assert set(tickets) == {first["ip"], second["ip"]}
    assert Document(tickets[first["ip"]]).text("principle_sha1")
    step("newtickets", sorted(tickets))

    private, public = ssh_key("slice key")
    nodes = {n["ip"]: proxy(testbed, n["tls"], "alice") for n in (first, second)}
    one, two = nodes[first["ip"]], nodes[second["ip"]]
    leases = {}
    leases[first["ip"]] = one.newleasevm(
        {"ticketdata": tickets[first["ip"]], "privatekey": private, "publickey": public}
    )
    step("newleasevm", first["ip"])
    leases[second["ip"]] = two.newlease({"ticketdata": tickets[second["ip"]]})
    done = two.newvm({"leasedata": leases[second["ip"]], "privatekey": private, "publickey": public})
    assert done == 1, done
    step("newlease, newvm", second["ip"])

    for ip, data in leases.items():
        lease = Document(data)
        assert (lease.text("slice"), lease.text("ip")) == (name, ip)
        start, end = (time.strptime(lease.text(t), "%Y-%m-%d %H:%M:%S") for t in ("start_time", "end_time"))
        assert time.mktime(end) - time.mktime(start) == 3600
        node = nodes[ip]
        assert data in node.getleases()
        assert name in node.getslivers()
        assert node.getprinciple({"slice": name}) == lease.text("principle_sha1")
        assert node.getsshkeys({"slice": name})["keys"] == [without_comment(public)]
    step("getleases, getslivers, getsshkeys", "agree")

    _, other = ssh_key("a colleague's")
    assert one.addkey({"slice": name, "key": other}) == 1
    assert one.getsshkeys({"slice": name})["numkeys"] == 2
    assert one.delkey({"slice": name, "key": other}) == 1
    assert one.getsshkeys({"slice": name})["numkeys"] == 1
    assert one.addkey({"slice": name, "key": other}) == 1
    assert one.nukekeys({"slice": name}) == 1
    assert one.getsshkeys({"slice": name})["keys"] == [without_comment(public)]
    step("addkey, delkey, nukekeys", "only the slice's own key is left")

    renewed = Document(one.renewlease({"slice": name}))
    assert renewed.text("end_time") > Document(leases[first["ip"]]).text("end_time")
    step("renewlease", "until", renewed.text("end_time"))

    again = agent.newtickets({"slice": name, "ntickets": 1, "leaselen": 3600, "ips": [first["ip"]]})[0]
    exists = fault_of(one.newleasevm, {"ticketdata": again, "privatekey": private, "publickey": public})
    assert "already exists" in exists.faultString, exists
    step("newleasevm again", exists.faultCode, exists.faultString)

    for node in nodes.values():
        assert node.deletelease({"slice": name}) == 1
    gone = fault_of(one.deletelease, {"slice": name})
    assert "does not exist" in gone.faultString, gone
    step("deletelease, again", gone.faultCode, gone.faultString)

    replay = fault_of(one.newlease, {"ticketdata": tickets[first["ip"]]})
    assert replay.faultCode == 407, replay
    step("a spent ticket", replay.faultCode, replay.faultString)
    print("everything v0.5 could do was done")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: v05_client.py DIR/testbed.json [SLICE]")
    main(*sys.argv[1:])
