#!/usr/bin/env python3
"""Makes a signed request: a slice description that one broker may act on in your name (docs/reference/documents.md).

    signed_request.py --key alice.key --broker BROKER_SHA256 --agent AGENT_SHA256 oceanstore.xml >request.txt

Nothing but Python's own library and the openssl command is needed. BROKER_SHA256 is `broker` in the broker's getconfig,
AGENT_SHA256 `agent` in the agent's. Give the broker the text: acquireslice({"request": text}), over TLS with the
certificate that belongs to the key. The description must have no <program>.
"""

import argparse
import base64
import hashlib
import secrets
import subprocess
import sys
import time


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def request_body(principal: str, broker: str, agents: list, description: bytes, minutes: int) -> bytes:
    ends = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() + 60 * minutes))
    elements = [
        ("principal_sha256", principal),
        ("serial", secrets.token_hex(16)),
        ("broker_sha256", broker),
        *(("agent_sha256", agent) for agent in agents),
        ("validto_time", ends),
        ("description", base64.b64encode(description).decode()),
    ]
    lines = [f"  <{name}>{value}</{name}>" for name, value in elements]
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<request version="1">'
    return "\n".join([head, *lines, "</request>"]).encode()


def signed(body: bytes, key_file: str, key_name: str) -> bytes:
    # PKCS#1 v1.5 over SHA-256, over exactly the bytes of the body.
    signature = openssl("dgst", "-sha256", "-sign", key_file, data=body)
    header = f"sig-rsa-sha256-base64: {base64.b64encode(signature).decode()}\nkey-sha256: {key_name}\n\n"
    return header.encode() + body


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes a signed request for a broker.")
    parser.add_argument("--key", required=True, help="your RSA private key, PEM")
    parser.add_argument("--broker", required=True, help="SHA-256 of the broker's key")
    parser.add_argument("--agent", required=True, action="append", help="SHA-256 of an agent's key; repeat for more")
    parser.add_argument("--minutes", type=int, default=15, help="how long the broker may act on it (at most 1440)")
    parser.add_argument("description", help="the file of a slice description")
    options = parser.parse_args()
    with open(options.description, "rb") as file:
        description = file.read()
    spki = openssl("pkey", "-in", options.key, "-pubout", "-outform", "DER")
    principal = hashlib.sha256(spki).hexdigest()
    body = request_body(principal, options.broker, options.agent, description, options.minutes)
    sys.stdout.buffer.write(signed(body, options.key, principal))


if __name__ == "__main__":
    main()
