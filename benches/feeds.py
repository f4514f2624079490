#!/usr/bin/env python3
"""Feeds of the built binary at work, and what they cost.

    python3 benches/feeds.py [--lines 1000000] [--changes 100] [--rounds 3] [--issuers 500]

  first    a server that starts with an index.txt of so many lines and an empty ledger: until all are in it
  again    some lines are revoked and the file is replaced: until the server has read it again and the
           changes are durable and visible. The interval is 100 ms; what passes before the server looks is in
           it. CPU is that of all threads of the server. There is no key, so that nothing is signed beside it
  restart  the same server started again: the file is read and judged whole once, and nothing changes
  idle     so many issuers with two feeds each (an index of ten lines and a folder), at the default
           intervals: CPU of ten seconds in which nothing changes, as a share of one core; and how long a
           change of one takes to be in the ledger

Memory is the most that the server ever held (VmHWM), and what it holds when it is idle (VmRSS). Needs the
built binary, Python and openssl.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "estelam"
TICK = os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--issuers", type=int, default=500)
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    for measure in (large_index, many_feeds):
        folder = Path(tempfile.mkdtemp(prefix="estelam-bench-"))
        try:
            measure(folder, arguments)
        finally:
            shutil.rmtree(folder)


def large_index(folder, arguments):
    ca(folder, "ca")
    configure(folder, [("ca", [("index", folder / "index.txt", 'interval = "100ms"')])], "absent.key")
    write(folder / "index.txt", lines(arguments.lines, 0))
    with Server(folder, arguments.binary) as server:
        server.until("first", lambda: server.certificates() >= arguments.lines)
        before = server.sequence()
        for number in range(1, arguments.rounds + 1):
            write(folder / "index.txt", lines(arguments.lines, number * arguments.changes))
            wanted = before + number * arguments.changes
            server.until("again", lambda wanted=wanted: server.sequence() >= wanted)
            assert server.sequence() == wanted, "more entries than changes"
        print(f"{'':<8} {server.memory()}", flush=True)
    with Server(folder, arguments.binary) as server:
        server.until("restart", lambda: server.feed()["last_success"] and server.feed()["state"] == "fine")
        assert server.sequence() == wanted, "a restart made entries"


def many_feeds(folder, arguments):
    issuers = []
    ca(folder, "ca")
    for number in range(arguments.issuers):
        home = folder / f"ca{number}"
        (home / "certs").mkdir(parents=True)
        request(folder, home, number)
        write(home / "index.txt", lines(10, 0))
        issuers.append(
            (f"ca{number}", [("index", home / "index.txt", ""), ("certificate_folder", home / "certs", "")])
        )
    configure(folder, issuers)
    with Server(folder, arguments.binary) as server:
        server.until("many", lambda: server.certificates() >= 10 * arguments.issuers)
        server.settle()
        cpu = server.cpu()
        time.sleep(10)
        print(f"{'idle':<8} {(server.cpu() - cpu) * 10:6.2f} % of a core", flush=True)
        before = server.sequence()
        write(folder / f"ca{arguments.issuers // 2}" / "index.txt", lines(10, 1))
        server.until("change", lambda: server.sequence() > before)
        print(f"{'':<8} {server.memory()}", flush=True)


def lines(count, revoked):
    for number in range(count):
        serial = f"{0x40_0000_0000_0000_0000 + number * 0x9E37_79B9_7F4A_7C15 % 2**64:032X}"
        if number < revoked:
            yield f"R\t361119031722Z\t260105120000Z,superseded\t{serial}\tunknown\t/C=IR/CN=certificate {number}\n"
        else:
            yield f"V\t361119031722Z\t\t{serial}\tunknown\t/C=IR/CN=certificate {number}\n"


def write(path, text):
    """Replaces a file as `openssl ca` does."""
    beside = path.with_suffix(".new")
    with open(beside, "w") as file:
        file.writelines(text)
    beside.rename(path)


def ca(folder, name):
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-subj", f"/CN={name}", "-days", "3650", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def request(folder, home, number):
    """A CA of its own name with the key of all."""
    subprocess.run(
        [
            "openssl", "req", "-x509", "-key", folder / "ca.key", "-subj", f"/CN=CA {number}",
            "-days", "3650", "-out", home / "ca.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


def configure(folder, issuers, signing_key="ca.key"):
    text = 'state_dir = "state"\n[[listen]]\naddress = "127.0.0.1:0"\n'
    for name, feeds in issuers:
        certificate = folder / name / "ca.pem" if (folder / name).is_dir() else folder / "ca.pem"
        text += f'[[issuer]]\nname = "{name}"\ncertificate = "{certificate}"\n'
        text += f'[[issuer.signer]]\ncertificate = "{certificate}"\nkey = "{folder / signing_key}"\n'
        for kind, path, more in feeds:
            text += f'[[issuer.feed]]\nkind = "{kind}"\npath = "{path}"\n{more}\n'
    (folder / "estelam.toml").write_text(text)


class Server:
    def __init__(self, folder, binary):
        self.folder, self.binary = folder, binary.resolve()
        self.log = open(folder / "log", "a")
        self.process = subprocess.Popen(
            [self.binary, "serve", "--config", "estelam.toml"],
            cwd=folder, stdout=self.log, stderr=self.log,
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.log.close()

    def stats(self):
        """`estelam stats`; nothing while it does not answer yet."""
        result = subprocess.run(
            [self.binary, "stats", "--json", "--config", "estelam.toml"],
            cwd=self.folder, capture_output=True,
        )  # fmt: skip
        if self.process.poll() is not None:
            raise SystemExit((self.folder / "log").read_text())
        return json.loads(result.stdout)["authority"] if result.returncode == 0 else None

    def certificates(self):
        stats = self.stats()
        return sum(issuer["certificates"] for issuer in stats["issuers"]) if stats else 0

    def sequence(self):
        stats = self.stats()
        return stats["sequence"] if stats else 0

    def feed(self):
        stats = self.stats()
        return stats["issuers"][0]["feeds"][0] if stats else {"last_success": None, "state": ""}

    def until(self, name, wanted):
        begun, cpu = time.monotonic(), self.cpu()
        while not wanted():
            time.sleep(0.02)
        print(
            f"{name:<8} {time.monotonic() - begun:6.2f} s  {self.cpu() - cpu:6.2f} CPU-s", flush=True
        )

    def settle(self):
        """Until everything is signed."""
        while True:
            stats = self.stats()
            if stats and all(
                not issuer["catching_up"] and issuer["unsigned"] == 0 and issuer["segments"]
                for issuer in stats["issuers"]
            ):
                return
            time.sleep(0.1)

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def memory(self):
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        rows = dict(line.split(":", 1) for line in status.splitlines())
        return ", ".join(f"{key} {int(rows[key].split()[0]) / 1024:.0f} MiB" for key in ("VmHWM", "VmRSS"))


if __name__ == "__main__":
    main()
