"""Verifies a receipt with nothing but the ledger's public key: prints its text.

    receipt.py PUBLIC.pem < receipt

The form is C2SP's signed-note: a text, an empty line, and lines of "— NAME BASE64(key id || signature)".
"""

import base64
import hashlib
import sys

from cryptography.hazmat.primitives import serialization

with open(sys.argv[1], "rb") as file:
    key = serialization.load_pem_public_key(file.read())
text, signatures = sys.stdin.read().split("\n\n")
text += "\n"
dash, name, signature = signatures.split()
signature = base64.b64decode(signature)
raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
assert dash == "—" and f"log {name}" in text.splitlines(), "another log"
assert signature[:4] == hashlib.sha256(name.encode() + b"\n\x01" + raw).digest()[:4], "another key"
key.verify(signature[4:], text.encode())
print(text, end="")
