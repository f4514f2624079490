#!/usr/bin/env python3
"""Drives the built binary through the life of a large issuer, and prints what each step takes.

    python3 benches/large_issuer.py [--certificates 1000000] [--keep DIR] [--serial-octets 16]

One CA with a P-256 delegate and an index.txt of that many lines, one in ten revoked. The steps:

  host      what fdatasync and a P-256 signature cost here and now (benches/host.rs), first and last
  import    the index into a new state, without a server; and the same file again
  cold      start over that state, never presigned, until the first right OCSP answer; several times,
            ended by kill -9 each time
  sign      until every certificate is presigned: the size of the segments
  warm      start over the presigned state, several times, ended by kill -9 and by SIGTERM in turn
  online    the index into a new state through a running server, with OCSP questions all the while:
            each answer must be right (what is acknowledged may not be denied, what is revoked may not
            be good), and how long they took
  crash     the same, ended by kill -9 half-way; start, and the import again

Starts are timed from before fork to the last octet of the first right answer, on a raw socket that
tries to connect every millisecond. Needs the built binary, cargo, Python and openssl.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "estelam"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--certificates", type=int, default=1_000_000)
    parser.add_argument("--serial-octets", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, help="work here and leave it")
    parser.add_argument("--steps", default="import,cold,sign,warm,online,crash")
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    steps = arguments.steps.split(",")
    folder = arguments.keep or Path(tempfile.mkdtemp(prefix="estelam-bench-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        host(folder)
        issuer = Issuer(folder, arguments)
        if "import" in steps:
            import_offline(issuer)
        if "cold" in steps:
            cold(issuer, arguments.rounds)
        if "sign" in steps:
            sign(issuer)
        if "warm" in steps:
            warm(issuer, arguments.rounds)
        if "online" in steps:
            import_online(issuer)
        if "crash" in steps:
            crash(issuer, arguments.rounds)
        host(folder)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def say(step, text):
    print(f"{step:<8}{text}", flush=True)


def host(folder):
    """What the machine is worth at this moment: all else is read beside it."""
    bench = subprocess.run(
        ["cargo", "bench", "--quiet", "--bench", "host"],
        cwd=ROOT,
        env=os.environ | {"BENCH_DIR": str(folder)},
        check=True,
        capture_output=True,
        text=True,
    )
    say("host", bench.stdout.strip())


class Issuer:
    """A CA, its delegate, its index.txt and a configuration."""

    def __init__(self, folder, arguments):
        self.folder = folder
        self.binary = arguments.binary
        self.count = arguments.certificates
        self.octets = arguments.serial_octets
        self.config = folder / "estelam.toml"
        self.index = folder / "index.txt"
        self.state = folder / "state"
        self.port = free_port()
        self.make_certificates()
        self.make_index()
        self.config.write_text(
            f"""state_dir = "state"
[[listen]]
address = "127.0.0.1:{self.port}"
[[issuer]]
name = "bench"
certificate = "ca.pem"
[[issuer.signer]]
certificate = "ocsp.pem"
key = "ocsp.key"
"""
        )

    def openssl(self, *arguments):
        subprocess.run(
            ["openssl", *arguments], cwd=self.folder, check=True, stderr=subprocess.DEVNULL
        )

    def make_certificates(self):
        if not (self.folder / "ocsp.pem").exists():
            key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
            self.openssl(
                "req", "-x509", *key, "-subj", "/CN=Bench CA", "-days", "3650",
                "-keyout", "ca.key", "-out", "ca.pem",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
            )  # fmt: skip
            (self.folder / "ext").write_text(
                "extendedKeyUsage=OCSPSigning\nnoCheck=ignored\nkeyUsage=critical,digitalSignature\n"
                "basicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
            )
            self.openssl(
                "req", *key, "-subj", "/CN=Bench OCSP", "-keyout", "ocsp.key", "-out", "ocsp.csr"
            )
            self.openssl(
                "x509", "-req", "-in", "ocsp.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-days", "365", "-extfile", "ext", "-out", "ocsp.pem",
            )  # fmt: skip
        self.openssl(
            "ocsp", "-issuer", "ca.pem", "-serial", "0x" + self.serial(0).hex(), "-no_nonce",
            "-reqout", "request.der",
        )  # fmt: skip
        self.request = (self.folder / "request.der").read_bytes()
        assert self.serial(0) in self.request

    def serial(self, number):
        """Random octets of one length, positive, that need no sign octet."""
        digest = hashlib.sha256(number.to_bytes(8, "big")).digest()
        return bytes([0x40 | digest[0] & 0x3F]) + digest[1 : self.octets]

    def is_revoked(self, number):
        return number % 10 == 3

    def make_index(self):
        with open(self.index, "w") as index:
            for number in range(self.count):
                serial = self.serial(number).hex().upper()
                if self.is_revoked(number):
                    status = "R\t301231235959Z\t260105120000Z,superseded"
                else:
                    status = "V\t301231235959Z\t"
                subject = f"/C=IR/O=Example organisation/CN=Certificate holder {number}"
                index.write(f"{status}\t{serial}\tunknown\t{subject}\n")

    def command(self, *arguments):
        return [str(self.binary), *arguments, "--config", str(self.config)]

    def ask(self, connection, number):
        """`good`, `revoked`, or the OCSPResponseStatus of the answer."""
        serial = self.serial(number)
        request = self.request.replace(self.serial(0), serial)
        path = base64.b64encode(request).decode().replace("/", "%2F").replace("+", "%2B")
        connection.sendall(f"GET /ocsp/{path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += received(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = next(
            int(line.split(b":")[1])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += received(connection)
        if len(body) == 5:
            return {3: "tryLater", 6: "unauthorized"}.get(body[4], f"status {body[4]}")
        _, found, after = body.partition(serial)
        assert found, "an answer about another serial"
        return {0x80: "good", 0xA1: "revoked"}[after[0]]

    def right(self, number):
        return "revoked" if self.is_revoked(number) else "good"

    def remove_state(self):
        shutil.rmtree(self.state, ignore_errors=True)


def received(connection):
    octets = connection.recv(65_536)
    if not octets:
        raise ConnectionError("closed")
    return octets


def free_port():
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        return some.getsockname()[1]


def measured(command):
    """Runs it; seconds, CPU seconds, peak MB, standard output."""
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    output = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    assert child.returncode == 0, (child.returncode, output)
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6, output


def import_offline(issuer):
    issuer.remove_state()
    for what in ("new", "again"):
        command = issuer.command("import", "index", str(issuer.index), "--json")
        took, cpu, peak, output = measured(command)
        report = json.loads(output)
        say(
            "import",
            f"{what}: {took:.2f} s, {cpu:.2f} s of CPU, peak {peak:.0f} MB; "
            f"{report['applied']} applied of {report['lines']}",
        )
    ledger = sum(file.stat().st_size for file in (issuer.state / "ledger").iterdir())
    say("import", f"ledger {ledger / issuer.count:.0f} octets a certificate")


class Server:
    """A server that was started, and when."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.log = open(issuer.folder / "serve.log", "ab")
        self.began = time.perf_counter()
        self.process = subprocess.Popen(issuer.command("serve"), stderr=self.log)

    def first_answer(self, number=None):
        """Seconds to the first right answer, and how many others came before."""
        others = 0
        if number is None:
            number = random.randrange(self.issuer.count)
        while True:
            assert self.process.poll() is None, "it ended; see serve.log"
            try:
                with socket.create_connection(("127.0.0.1", self.issuer.port)) as connection:
                    while True:
                        answer = self.issuer.ask(connection, number)
                        took = time.perf_counter() - self.began
                        if answer == self.issuer.right(number):
                            return took, others
                        assert answer in ("tryLater",), answer
                        others += 1
            except ConnectionRefusedError:
                time.sleep(0.001)

    def first_answer_and_end(self, how):
        try:
            self.first_answer()
        finally:
            self.end(how)

    def check(self, questions):
        with socket.create_connection(("127.0.0.1", self.issuer.port)) as connection:
            for _ in range(questions):
                number = random.randrange(self.issuer.count)
                answer = self.issuer.ask(connection, number)
                assert answer == self.issuer.right(number), (number, answer)

    def stats(self):
        while True:
            asked = subprocess.run(self.issuer.command("stats", "--json"), capture_output=True)
            if asked.returncode == 0:
                return json.loads(asked.stdout)["authority"]
            assert self.process.poll() is None, "it ended; see serve.log"
            time.sleep(0.1)

    def until_signed(self):
        while True:
            stats = self.stats()["issuers"][0]
            if (
                stats["certificates"] == self.issuer.count
                and stats["overlay"] == 0
                and stats["segments"] == self.shards()
                and not stats["catching_up"]
            ):
                return time.perf_counter()
            time.sleep(0.2)

    def shards(self):
        count, shards = self.issuer.count, 1
        while count > 1_000_000:
            count, shards = count // 2, shards * 2
        return shards

    def status(self, field):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024 / 1e6
        raise KeyError(field)

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, how):
        self.process.send_signal(how)
        began = time.perf_counter()
        self.process.wait()
        self.log.close()
        return time.perf_counter() - began


def starts(issuer, step, rounds, how, before=lambda: None):
    took = []
    others = 0
    for _ in range(rounds):
        before()
        server = Server(issuer)
        try:
            seconds, try_later = server.first_answer()
            took.append(seconds)
            others += try_later
            server.check(100)
        finally:
            server.end(how)
    took.sort()
    say(
        step,
        f"first answer after {took[0] * 1e3:.0f} to {took[-1] * 1e3:.0f} ms, median "
        f"{took[len(took) // 2] * 1e3:.0f} ms, in {rounds} starts that followed {how.name}; "
        f"{others} tryLater before",
    )


def cold(issuer, rounds):
    starts(
        issuer,
        "cold",
        rounds,
        signal.SIGKILL,
        before=lambda: shutil.rmtree(issuer.state / "catalog", ignore_errors=True),
    )


def sign(issuer):
    server = Server(issuer)
    try:
        took = server.until_signed() - server.began
        server.check(1000)
        cpu, peak = server.cpu(), server.status("VmHWM")
    finally:
        server.end(signal.SIGKILL)
    segments = [file.stat().st_size for file in (issuer.state / "catalog").glob("*.seg")]
    say(
        "sign",
        f"presigned in {took:.1f} s, {cpu:.1f} s of CPU, peak {peak:.0f} MB (maps included); "
        f"{sum(segments) / issuer.count:.1f} octets a certificate in {len(segments)} segments",
    )


def warm(issuer, rounds):
    for how in signal.SIGKILL, signal.SIGTERM:
        Server(issuer).first_answer_and_end(how)
        starts(issuer, "warm", rounds, how)


class Sampler(threading.Thread):
    """The most memory of its own that a server had; the mapped segments are not in it."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.peak = 0
        self.start()

    def run(self):
        while self.server.process.poll() is None:
            try:
                self.peak = max(self.peak, self.server.status("RssAnon"))
            except (KeyError, FileNotFoundError, ProcessLookupError):
                return
            time.sleep(0.02)


class Asker(threading.Thread):
    """Asks all the while about certificates whose import was acknowledged, and about others."""

    def __init__(self, issuer):
        super().__init__()
        self.issuer = issuer
        self.stop = False
        self.counts = {}
        self.took = []
        self.wrong = []
        self.known_up_to = 0

    def run(self):
        with socket.create_connection(("127.0.0.1", self.issuer.port)) as connection:
            while not self.stop:
                number = random.randrange(self.issuer.count)
                known = number < self.known_up_to
                before = time.perf_counter()
                answer = self.issuer.ask(connection, number)
                self.took.append(time.perf_counter() - before)
                self.counts[answer] = self.counts.get(answer, 0) + 1
                allowed = {self.issuer.right(number), "tryLater"}
                if not known:
                    allowed.add("unauthorized")
                if answer not in allowed:
                    self.wrong.append((number, known, answer))
                time.sleep(0.001)


def import_online(issuer):
    issuer.remove_state()
    server = Server(issuer)
    try:
        server.stats()
        sampler = Sampler(server)
        asker = Asker(issuer)
        asker.start()
        took, cpu, peak, output = measured(
            issuer.command("import", "index", str(issuer.index), "--json")
        )
        asker.known_up_to = issuer.count
        report = json.loads(output)
        server_cpu, server_peak = server.cpu(), server.status("VmHWM")
        anonymous = sampler.peak
        stats = server.stats()
        say(
            "online",
            f"{took:.2f} s, {cpu:.2f} s of CPU and peak {peak:.0f} MB in the command, "
            f"{server_cpu:.2f} s and peak {server_peak:.0f} MB ({anonymous:.0f} without maps) "
            f"in the server; {report['applied']} applied; {stats['overlays_sealed']} overlays sealed, "
            f"{stats['shards_signed']} shards signed meanwhile",
        )
        signed = server.until_signed() - server.began
        asker.stop = True
        asker.join()
        asker.took.sort()
        count = len(asker.took)
        say(
            "online",
            f"all presigned {signed:.1f} s after the start, {server.cpu():.1f} s of CPU, peak "
            f"{server.status('VmHWM'):.0f} MB ({sampler.peak:.0f} without maps); {count} questions meanwhile: {asker.counts}, p50 "
            f"{asker.took[count // 2] * 1e3:.1f} ms, p99 {asker.took[count * 99 // 100] * 1e3:.1f} ms, "
            f"max {asker.took[-1] * 1e3:.0f} ms; wrong: {asker.wrong[:3] or 'none'}",
        )
        assert not asker.wrong
    finally:
        server.end(signal.SIGTERM)


def crash(issuer, rounds):
    took = []
    for _ in range(rounds):
        issuer.remove_state()
        server = Server(issuer)
        try:
            server.stats()
            command = issuer.command("import", "index", str(issuer.index))
            child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            while server.stats()["issuers"][0]["certificates"] < issuer.count // 2:
                assert child.poll() is None, "the import ended too early"
        finally:
            server.end(signal.SIGKILL)
        assert child.wait() != 0
        server = Server(issuer)
        try:
            # Imported first, so durable.
            took.append(server.first_answer(0)[0])
            say("crash", f"{server.stats()['issuers'][0]['certificates']} certificates were kept")
            seconds, _, _, output = measured(issuer.command("import", "index", str(issuer.index), "--json"))
            say("crash", f"{json.loads(output)['applied']} applied by the second run in {seconds:.1f} s")
            server.check(1000)
        finally:
            server.end(signal.SIGKILL)
    took.sort()
    say(
        "crash",
        f"first answer after {took[0] * 1e3:.0f} to {took[-1] * 1e3:.0f} ms, median "
        f"{took[len(took) // 2] * 1e3:.0f} ms, in {rounds} starts amid an import",
    )


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
