"""Asks with nonces, as a Python client would, and verifies what comes back with `cryptography`.

Reads {"url", "issuer": PEM path, "serials": [hex]} from stdin and writes the list of what is wrong.
"""

import base64
import json
import os
import sys
import urllib.parse
import urllib.request

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp


def main():
    task = json.load(sys.stdin)
    with open(task["issuer"], "rb") as file:
        issuer = x509.load_pem_x509_certificate(file.read())
    problems = []
    for place, serial in enumerate(task["serials"]):
        for length in (1, 16, 23, 32, 33, 127, 128):
            by_get = (place + length) % 2 == 0
            found = ask(task["url"], issuer, int(serial, 16), os.urandom(length), by_get)
            problems += [f"{serial}, {length} octets: {problem}" for problem in found]
    json.dump(problems, sys.stdout)


def ask(url, issuer, serial, nonce, by_get):
    point = issuer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        sha256(issuer.subject.public_bytes()), sha256(point), serial, hashes.SHA256()
    )
    request = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
    der = request.public_bytes(Encoding.DER)
    if by_get:
        path = urllib.parse.quote(base64.b64encode(der).decode(), safe="")
        question = urllib.request.Request(f"{url}/{path}")
    else:
        headers = {"Content-Type": "application/ocsp-request"}
        question = urllib.request.Request(url, data=der, headers=headers)
    with urllib.request.urlopen(question, timeout=60) as answer:
        body, cache_control = answer.read(), answer.headers["Cache-Control"]
        etag = answer.headers["ETag"]
    response = ocsp.load_der_ocsp_response(body)
    if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        return [f"responseStatus {response.response_status}"]
    problems = []
    found = response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    if found != nonce:
        problems.append(f"the nonce {found.hex()}")
    if response.serial_number != serial:
        problems.append(f"the serial {response.serial_number:x}")
    if "private" not in cache_control or "public" in cache_control or etag is not None:
        problems.append(f"Cache-Control {cache_control}, ETag {etag}")
    delegate = response.certificates[0]
    delegate.verify_directly_issued_by(issuer)
    delegate.public_key().verify(
        response.signature, response.tbs_response_bytes, ec.ECDSA(response.signature_hash_algorithm)
    )
    return problems


def sha256(octets):
    digest = hashes.Hash(hashes.SHA256())
    digest.update(octets)
    return digest.finalize()


main()
