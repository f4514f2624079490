#!/usr/bin/env python3
"""Pushes to the built binary over HTTPS and prints how long acknowledgements take, beside the disk's own time.

    python3 benches/push.py [--certificates 20000] [--revocations 2000] [--batch 20000] [--batches 20]

One server, one client, one connection that is kept open (TLS 1.3, P-256), HTTP/1.1, NDJSON.

  fdatasync  128 octets are appended to a file beside the ledger and synced: before each revocation, so that
             both meet the same machine
  one        one revocation in a batch of its own, from the first octet sent to the last one read: durable,
             and visible to every OCSP request that begins afterwards
  batches    batches of that many new certificates, then the revocation of them all, bodies made before

The server's CPU time is user and system time of all its threads. Needs the built binary, Python and openssl.
"""

import argparse
import hashlib
import http.client
import json
import os
import shutil
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "estelam"
TOKEN = "estelam_bench"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificates", type=int, default=20_000, help="known before the first revocation")
    parser.add_argument("--revocations", type=int, default=2_000)
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="estelam-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        server, address = start(folder, arguments.binary.resolve())
        try:
            client = Client(folder, address)
            one_by_one(folder, server, client, arguments)
            in_batches(server, client, arguments)
        finally:
            server.terminate()
            server.wait()
    finally:
        shutil.rmtree(folder)


def start(folder, binary):
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new_key = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30".split()
    openssl("req", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=CA")
    san = ["-addext", "subjectAltName=IP:127.0.0.1"]
    openssl("req", *new_key, "-keyout", "tls.key", "-out", "tls.pem", "-subj", "/CN=push", *san)
    (folder / "estelam.toml").write_text(
        '[[listen]]\naddress = "127.0.0.1:0"\n'
        '[push]\nlisten = "127.0.0.1:0"\ncertificate = "tls.pem"\nkey = "tls.key"\n'
        '[[push.client]]\nname = "bench"\nissuers = ["ca"]\n'
        f'token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"\n'
        '[[issuer]]\nname = "ca"\ncertificate = "ca.pem"\n'
        '[[issuer.signer]]\ncertificate = "ca.pem"\nkey = "ca.key"\n'
    )
    server = subprocess.Popen(
        [binary, "serve", "--config", "estelam.toml"], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    for line in server.stderr:
        if "taking pushes at https://" in line:
            # Nothing else is said that fills the pipe.
            return server, line.rsplit("https://", 1)[1].strip()
    raise SystemExit("the server did not start")


class Client:
    def __init__(self, folder, address):
        context = ssl.create_default_context(cafile=folder / "tls.pem")
        self.connection = http.client.HTTPSConnection(address, context=context)
        self.pushed = 0

    def push(self, body):
        self.pushed += 1
        headers = {
            "Authorization": f"Bearer {TOKEN}",
            "Idempotency-Key": f"bench-{self.pushed}",
            "Content-Type": "application/x-ndjson",
        }
        begun = time.perf_counter()
        self.connection.request("POST", "/v1/entries", body, headers)
        reply = self.connection.getresponse()
        answer = reply.read()
        took = time.perf_counter() - begun
        assert reply.status == 200, answer
        return took, answer


def issued(first, count):
    entry = '{"serial":"%032X","status":"issued","not_before":"2026-01-01T00:00:00Z","not_after":"2028-01-01T00:00:00Z"}\n'
    return "".join(entry % (number * 0x9E3779B97F4A7C15 + 1) for number in range(first, first + count)).encode()


def revoked(first, count):
    entry = '{"serial":"%032X","status":"revoked","revocation_time":"2026-03-21T08:30:00Z","reason":"keyCompromise"}\n'
    return "".join(entry % (number * 0x9E3779B97F4A7C15 + 1) for number in range(first, first + count)).encode()


def one_by_one(folder, server, client, arguments):
    for first in range(0, arguments.certificates, 20_000):
        client.push(issued(first, min(20_000, arguments.certificates - first)))
    disk, pushes = [], []
    with open(folder / "synced", "wb", buffering=0) as file:
        for number in range(arguments.revocations):
            begun = time.perf_counter()
            file.write(b"x" * 128)
            os.fdatasync(file.fileno())
            disk.append(time.perf_counter() - begun)
            took, _ = client.push(revoked(number, 1))
            pushes.append(took)
    print(f"{arguments.revocations} revocations, one by one, {arguments.certificates} certificates known")
    for name, times in [("fdatasync", disk), ("one", pushes)]:
        times.sort()
        at = lambda share: 1_000 * times[min(int(share * len(times)), len(times) - 1)]
        print(f"  {name:10} p50 {at(0.5):7.2f} ms   p90 {at(0.9):7.2f} ms   p99 {at(0.99):7.2f} ms   max {at(1):7.2f} ms")
    p99 = lambda times: times[int(0.99 * len(times))]
    print(f"  p99 of one is {p99(pushes) / p99(disk):.2f} times that of fdatasync")


def in_batches(server, client, arguments):
    for name, make, code in [("issued", issued, "applied"), ("revoked", revoked, "applied")]:
        start = 1_000_000
        bodies = [make(start + i * arguments.batch, arguments.batch) for i in range(arguments.batches)]
        cpu, begun = cpu_seconds(server), time.perf_counter()
        answers = [client.push(body)[1] for body in bodies]
        took, cpu = time.perf_counter() - begun, cpu_seconds(server) - cpu
        entries = arguments.batch * arguments.batches
        for answer in answers:
            assert json.loads(answer)[code] == arguments.batch, answer[:300]
        octets = sum(map(len, bodies)) / entries
        print(
            f"  {name:8} {arguments.batches} x {arguments.batch}: {entries / took:9,.0f} entries/s, "
            f"{1e6 * cpu / entries:5.2f} us of the server's CPU each, {octets:.0f} octets each"
        )


def cpu_seconds(server):
    fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
