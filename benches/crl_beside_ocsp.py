#!/usr/bin/env python3
"""What OCSP clients notice while a large CRL is made.

    python3 benches/crl_beside_ocsp.py [--entries 10000000] [--rounds 9] [--seconds 4] [--connections 8]
                                       [--server-cores 0] [--keep DIR]

One server with two issuers: that of benches/publish_crl.py, whose full CRL has that many entries, and one of
10,000 certificates, presigned, that clients ask about. wrk asks for them by GET, as fast as it is answered,
over that many connections, from core 1; the server, with all that it does, has the cores given. In each
round:

  idle      nothing else is done, nor is the CRL before still being compressed
  making    the full CRL is being made all the while

Answers a second and latencies as wrk tells them; medians of the rounds, and the ratios of the two. A round
during which the CRL was finished early does not count and is an error: take more entries. Needs the built
binary, Python, openssl, taskset and wrk.
"""

import argparse
import base64
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from publish_crl import BINARY, Server, cpu, make

CERTIFICATES = 10_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--server-cores", default="0", help="as taskset wants them")
    parser.add_argument("--keep", type=Path, help="work here and leave it")
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    folder = (arguments.keep or Path(tempfile.mkdtemp(prefix="estelam-bench-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    binary = arguments.binary.resolve()
    try:
        maker = multiprocessing.Process(target=make, args=(folder, arguments.entries, binary))
        maker.start()
        maker.join()
        port = asked_issuer(folder, binary)
        rounds = []
        with Server(folder, ["taskset", "-c", arguments.server_cores, binary]) as server:
            wait_until_presigned(folder, binary)
            load = (arguments.connections, arguments.seconds)
            for _ in range(arguments.rounds):
                wait_until_quiet(server.process.pid)
                idle = wrk(folder, port, *load)
                publishing = subprocess.Popen(
                    [binary, "crl", "publish", "--now", "--issuer", "bench", "--config", "estelam.toml"],
                    cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                )  # fmt: skip
                time.sleep(0.2)
                making = wrk(folder, port, *load)
                early = publishing.poll() is not None
                _, said = publishing.communicate()
                if publishing.returncode or early:
                    raise SystemExit(f"the CRL was not being made all the while: {said}")
                rounds.append((idle, making))
                print(f"idle {line(idle)}   making {line(making)}", flush=True)
            server.process.terminate()
        report(rounds)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def asked_issuer(folder, binary):
    """Adds the issuer that is asked about; the port of the server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    if not (folder / "asked.pem").exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-subj", "/CN=Asked CA", "-days", "3650", "-keyout", "asked.key", "-out", "asked.pem",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        serials = ["12" + os.urandom(15).hex().upper() for _ in range(CERTIFICATES)]
        (folder / "asked.txt").write_text(
            "".join(f"V\t351231000000Z\t\t{serial}\tunknown\t/CN=a\n" for serial in serials)
        )
        (folder / "paths.lua").write_text(lua(folder, serials))
    settings = (folder / "estelam.toml").read_text()
    settings = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", settings)
    is_new = "asked.pem" not in settings
    if is_new:
        settings += (
            '[[issuer]]\nname = "asked about"\ncertificate = "asked.pem"\n'
            '[[issuer.signer]]\ncertificate = "asked.pem"\nkey = "asked.key"\n'
        )
    (folder / "estelam.toml").write_text(settings)
    if is_new:
        subprocess.run(
            [binary, "import", "index", "asked.txt", "--issuer", "asked about", "--config", "estelam.toml"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    return port


def lua(folder, serials):
    """A script for wrk that asks for one after the other (RFC 6960 appendix A.1)."""
    der = subprocess.run(
        ["openssl", "x509", "-in", "asked.pem", "-outform", "DER"],
        cwd=folder, check=True, capture_output=True,
    ).stdout  # fmt: skip
    name, key = name_and_key(der)
    hashes = tlv(0x04, hashlib.sha1(name).digest()) + tlv(0x04, hashlib.sha1(key).digest())
    sha1 = bytes.fromhex("300906052b0e03021a0500")
    paths = []
    for serial in serials:
        cert_id = tlv(0x30, sha1 + hashes + tlv(0x02, bytes.fromhex(serial)))
        request = tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x30, cert_id))))
        text = base64.b64encode(request).decode().replace("+", "%2B").replace("/", "%2F")
        paths.append("/ocsp/" + text.replace("=", "%3D"))
    return (
        f"local paths = {{{','.join(json.dumps(path) for path in paths)}}}\nlocal next = 0\n"
        "function request()\n  next = next % #paths + 1\n"
        '  return wrk.format("GET", paths[next])\nend\n'
        "function done(summary, latency)\n"
        "  local errors = summary.errors\n"
        "  print(string.format('RESULT %f %f %f %d', summary.requests / summary.duration * 1e6,\n"
        "    latency:percentile(50), latency:percentile(99),\n"
        "    errors.connect + errors.read + errors.write + errors.status + errors.timeout))\nend\n"
    )


def name_and_key(certificate):
    """The subject, and the octets of the subject's key."""
    tbs = content(content(certificate)[0])[0]
    fields = []
    while tbs:
        inside, whole, tbs = split(tbs)
        fields.append((inside, whole))
    # version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo
    _, _, after_algorithm = split(fields[6][0])
    return fields[5][1], split(after_algorithm)[0][1:]


def content(der):
    inside, _, rest = split(der)
    return inside, rest


def split(der):
    """Content and whole of the first TLV, and what follows it."""
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    return der[start : start + length], der[: start + length], der[start + length :]


def tlv(tag, value):
    assert len(value) < 128
    return bytes([tag, len(value)]) + value


def wait_until_presigned(folder, binary):
    while True:
        told = subprocess.run(
            [binary, "stats", "--json", "--config", "estelam.toml"],
            cwd=folder, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        for issuer in json.loads(told)["authority"]["issuers"]:
            if issuer["name"] == "asked about" and issuer.get("segments"):
                return
        time.sleep(0.1)


def wait_until_quiet(pid):
    """Until the server uses next to nothing, for a second."""
    before, quiet = cpu(pid), 0
    while quiet < 10:
        time.sleep(0.1)
        now = cpu(pid)
        quiet = quiet + 1 if now - before < 0.02 else 0
        before = now


def wrk(folder, port, connections, seconds):
    """Answers a second, median and p99 latency in microseconds."""
    said = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", "paths.lua",
         f"http://127.0.0.1:{port}"],
        cwd=folder, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rate, median, p99, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+)", said).groups()
    if int(errors):
        raise SystemExit(f"{errors} requests failed: {said}")
    return float(rate), float(median), float(p99)


def line(told):
    rate, median, p99 = told
    return f"{rate:7.0f}/s p50 {median:6.0f} us p99 {p99:6.0f} us"


def report(rounds):
    for name, place in (("idle", 0), ("making", 1)):
        told = [statistics.median(a_round[place][column] for a_round in rounds) for column in range(3)]
        print(f"{name:<7} {line(told)}")
    for name, column in (("answers a second", 0), ("p50", 1), ("p99", 2)):
        ratios = sorted(making[column] / idle[column] for idle, making in rounds)
        print(f"{name}: making / idle {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


if __name__ == "__main__":
    main()
