#!/usr/bin/env python3
"""Makes CRLs of many entries with the built binary beside `openssl ca -gencrl` on the same data.

    python3 benches/publish_crl.py [--entries 1000000] [--rounds 3] [--no-openssl] [--keep DIR]

One CA with a P-256 key and an index.txt with that many revoked certificates: serials of 16 octets, a reason
in every second. In each round, one after the other so that both meet the same machine:

  openssl   `openssl ca -gencrl`
  first     `estelam crl publish --now` without a server and without a CRL before: ledger scan, sorting,
            writing, signing, reading again
  full      the same once more, compared with the one before
  server    the full CRL in a running server after one revocation, as its caller waits for it
  delta     the delta in a running server after one revocation, as its caller waits for it

CPU is user and system time of the whole process (of the server: what it used meanwhile); memory is the most
anonymous memory (RssAnon) that was seen, looked at every 2 ms. The least of the rounds is given. Needs the
built binary, Python and openssl.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "estelam"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-openssl", action="store_true", help="leave openssl out")
    parser.add_argument("--keep", type=Path, help="work here and leave it")
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    folder = (arguments.keep or Path(tempfile.mkdtemp(prefix="estelam-bench-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    binary = arguments.binary.resolve()
    try:
        # In a process of its own: what it holds would count as held by whatever is started after it.
        maker = multiprocessing.Process(target=make, args=(folder, arguments.entries, binary))
        maker.start()
        maker.join()
        rounds = [
            one_round(folder, binary, not arguments.no_openssl) for _ in range(arguments.rounds)
        ]
        report(rounds)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def one_round(folder, binary, with_openssl):
    shutil.rmtree(folder / "state" / "catalog", ignore_errors=True)
    publish = [binary, "crl", "publish", "--now", "--config", "estelam.toml"]
    told = {}
    if with_openssl:
        told["openssl"] = spend(
            folder, ["openssl", "ca", "-config", "openssl.cnf", "-gencrl", "-out", "theirs.crl"]
        )
    told["first"] = spend(folder, publish)
    told["full"] = spend(folder, publish)
    with Server(folder, [binary]) as server:
        told["server"] = server.spend(publish, server.revoke())
        told["delta"] = server.spend([*publish[:3], "--delta", *publish[4:]], server.revoke())
    return told


class Server:
    """A server over the same ledger, which signs no answers: its key is missing."""

    def __init__(self, folder, command):
        """`command` is the binary, with what it is started by before it."""
        self.folder, self.command, self.binary = folder, command, command[-1]

    def __enter__(self):
        self.process = subprocess.Popen(
            [*self.command, "serve", "--config", "estelam.toml"],
            cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        while not (self.folder / "state" / "admin.sock").exists():
            time.sleep(0.05)
        while subprocess.run(
            [self.binary, "stats", "--config", "estelam.toml"], cwd=self.folder, capture_output=True
        ).returncode:
            time.sleep(0.05)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def revoke(self):
        line = (self.folder / "good").read_text().split()
        (self.folder / "good").write_text("\n".join(line[1:]))
        subprocess.run(
            [self.binary, "revoke", line[0], "--config", "estelam.toml"],
            cwd=self.folder, check=True, capture_output=True,
        )  # fmt: skip

    def spend(self, command, _):
        before = cpu(self.process.pid)
        with Watch(self.process.pid) as watch:
            begun = time.monotonic()
            subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
            seconds = time.monotonic() - begun
        return cpu(self.process.pid) - before, seconds, watch.most


class Watch(threading.Thread):
    """The most anonymous memory of a process while it runs, in KiB."""

    def __init__(self, pid):
        super().__init__()
        self.pid, self.most, self.ended = pid, 0, False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.join()

    def run(self):
        while not self.ended:
            try:
                status = Path(f"/proc/{self.pid}/status").read_text()
            except OSError:
                return
            for line in status.splitlines():
                if line.startswith("RssAnon:"):
                    self.most = max(self.most, int(line.split()[1]))
            time.sleep(0.002)


def cpu(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spend(folder, command):
    """CPU seconds, seconds and KiB of a command."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    with Watch(process.pid) as watch:
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begun, watch.most


def report(rounds):
    least = {
        step: [min(a_round[step][place] for a_round in rounds) for place in range(3)]
        for step in rounds[0]
    }
    for step, (used, seconds, kib) in least.items():
        base = least.get("openssl", [0])[0]
        ratio = f"1/{base / used:<5.1f} of openssl" if base and used else ""
        print(f"{step:<8} {used:6.2f} CPU-s {seconds:7.3f} s {kib / 1024:7.1f} MiB  {ratio}")


def make(folder, entries, binary):
    """The CA, its index.txt, and the ledger that was made of it."""
    if (folder / "state").exists():
        return
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=Bench CA", "-days", "3650", "-keyout", "ca.key", "-out", "ca.pem",
         "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    (folder / "openssl.cnf").write_text(
        "[ca]\ndefault_ca = this\n[this]\ndatabase = index.txt\ncrlnumber = crlnumber\n"
        "certificate = ca.pem\nprivate_key = ca.key\ndefault_md = sha256\ndefault_crl_days = 7\n"
        "unique_subject = no\ncrl_extensions = extensions\n[extensions]\n"
        "authorityKeyIdentifier = keyid\n"
    )
    (folder / "crlnumber").write_text("01\n")
    (folder / "index.txt.attr").write_text("unique_subject = no\n")
    (folder / "estelam.toml").write_text(
        'state_dir = "state"\n[[listen]]\naddress = "127.0.0.1:0"\n[[issuer]]\nname = "bench"\n'
        'certificate = "ca.pem"\n[[issuer.signer]]\ncertificate = "ca.pem"\nkey = "missing.key"\n'
        '[issuer.crl]\nurl = "http://crl.example/ca.crl"\nkey = "ca.key"\n'
        '[issuer.crl.delta]\nurl = "http://crl.example/delta.crl"\n'
    )
    with open(folder / "index.txt", "w", encoding="ascii") as index:
        for number in range(entries):
            reason = ",keyCompromise" if number % 2 else ""
            index.write(
                f"R\t351231000000Z\t260101120000Z{reason}\t10{os.urandom(15).hex().upper()}\tunknown\t/CN=a\n"
            )
        good = ["11" + os.urandom(15).hex().upper() for _ in range(64)]
        index.writelines(f"V\t351231000000Z\t\t{serial}\tunknown\t/CN=a\n" for serial in good)
    (folder / "good").write_text("\n".join(good))
    subprocess.run(
        [binary, "import", "index", "index.txt", "--config", "estelam.toml"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
