#!/usr/bin/env python3
"""Follows an EJBCA-shaped table with the built binary, and prints what that costs.

    python3 benches/sql_feed.py [--rows 1000000] [--make postgresql|mariadb|sqlite] [--polls 40]

One CA with a P-256 key, and a table of that many certificates with serials of 16 octets, one in ten revoked,
in a database of its own in a temporary folder (nothing synced to disk). Then:

  first poll   from the start of the server until the last row is in the ledger: rows a second, CPU of the
               server and the database, and the most memory that the server held (VmHWM), less what it holds
               when it has nothing to do
  idle poll    CPU of both for one poll that finds nothing new, with an index on updateTime
  change       from an UPDATE until OCSP says revoked, polled every 200 ms: median and worst

Needs the built binary, Python, openssl and the database (`./setup`).
"""

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "estelam"
BASE = 0x0123_4567_89AB_CDEF_0123_4567_0000_0000
COLUMNS = "fingerprint, serialNumber, issuerDN, cAFingerprint, subjectDN, type, certificateProfileId, \
status, revocationDate, revocationReason, expireDate, updateTime, rowVersion"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--make", choices=["postgresql", "mariadb", "sqlite"], default="postgresql")
    parser.add_argument("--polls", type=int, default=40)
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="estelam-sql-"))
    database = {"postgresql": PostgreSql, "mariadb": MariaDb, "sqlite": Sqlite}[arguments.make](folder)
    try:
        database.start()
        measure(folder, database, arguments)
    finally:
        database.stop()
        shutil.rmtree(folder)


def measure(folder, database, arguments):
    fingerprint = make_ca(folder)
    database.fill(arguments.rows, fingerprint)
    (folder / "estelam.toml").write_text(
        f"""[[listen]]
address = "127.0.0.1:0"
[[issuer]]
name = "ca"
certificate = "ca.pem"
cert_id_hashes = ["sha1"]
[[issuer.signer]]
certificate = "ca.pem"
key = "ca.key"
[[issuer.feed]]
kind = "sql"
interval = "200ms"
preset = "ejbca"
database = "{database.address}"
"""
    )
    estelam = [arguments.binary.resolve()]
    begun = time.monotonic()
    server = subprocess.Popen(
        [*estelam, "serve", "--config", "estelam.toml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        url = next(word for line in server.stdout for word in line.split() if word.startswith("http://"))

        def stats():
            command = [*estelam, "stats", "--json", "--config", "estelam.toml"]
            said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
            return json.loads(said.stdout)["authority"]["issuers"][0]

        memory = 0
        while stats()["feeds"][0]["applied"] < arguments.rows:
            memory = max(memory, vm(server.pid, "VmHWM"))
            time.sleep(0.2)
        took = time.monotonic() - begun
        first = (cpu([server.pid]), cpu(database.pids()))
        memory = max(memory, vm(server.pid, "VmHWM"))
        # Signing goes on; what a poll costs is seen when that is through.
        while stats()["unsigned"] > 0 or stats()["catching_up"]:
            time.sleep(1)
        time.sleep(2)
        rate = arguments.rows / took
        print(f"first poll   {arguments.rows:,} rows in {took:.1f} s: {rate:,.0f} rows/s")
        print(f"             CPU: server {first[0]:.1f} s (signing ahead included), database {first[1]:.1f} s")
        print(f"             memory: {memory / 1024:.0f} MiB at most, {vm(server.pid, 'VmRSS') / 1024:.0f} MiB after")
        before = (cpu([server.pid]), cpu(database.pids()))
        time.sleep(arguments.polls * 0.2)
        after = (cpu([server.pid]), cpu(database.pids()))
        each = [(b - a) / arguments.polls * 1000 for a, b in zip(before, after)]
        print(f"idle poll    CPU: server {each[0]:.2f} ms, database {each[1]:.2f} ms")
        waits = [changed(folder, url, database, number) for number in range(1, 21)]
        print(
            f"change       revoked for clients after {statistics.median(waits) * 1000:.0f} ms, "
            f"at most {max(waits) * 1000:.0f} ms"
        )
    finally:
        server.terminate()
        server.wait()


def changed(folder, url, database, number):
    serial = BASE + number * 10
    request = folder / "request.der"
    command = ["openssl", "ocsp", "-issuer", "ca.pem", "-serial", f"0x{serial:X}", "-no_nonce"]
    subprocess.run([*command, "-reqout", request], cwd=folder, check=True, capture_output=True)
    headers = {"Content-Type": "application/ocsp-request"}
    now = int(time.time() * 1000)
    database.execute(
        f"update CertificateData set status = 40, revocationReason = 1, revocationDate = {now}, "
        f"updateTime = {now} where serialNumber = '{serial}'"
    )
    begun = time.monotonic()
    good = None
    while True:
        post = urllib.request.Request(url, data=request.read_bytes(), headers=headers)
        answer = urllib.request.urlopen(post).read()
        # certStatus of a revoked answer is [1], with its time and reason: the answer is longer.
        revoked = b"\xa1\x16\x18\x0f" in answer
        if revoked:
            return time.monotonic() - begun
        good = good or answer
        time.sleep(0.005)


def make_ca(folder):
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -days 30 \
        -subj /CN=bench -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature -out ca.pem"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    command = "openssl x509 -in ca.pem -noout -fingerprint -sha1"
    said = subprocess.run(command.split(), cwd=folder, check=True, capture_output=True, text=True)
    return said.stdout.strip().split("=")[1].replace(":", "").lower()


def values(number, fingerprint, now):
    revoked = number % 10 == 5
    status, date, reason = (40, now - 90_000_000, 1) if revoked else (20, -1, -1)
    row = (f"{number * 2654435761 % (1 << 32):08x}{number:032x}", BASE + number, "CN=bench", fingerprint, "CN=a")
    return (*row, 1, 1, status, date, reason, now + 10**10, now - 3 * 10**9 + 2000 * number, 0)


def cpu(pids):
    """CPU seconds of processes."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def vm(pid, what):
    """KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1])
    return 0


def as_user(command):
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]


def own(path):
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)


class Server:
    """A database server in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder / "db"
        self.folder.mkdir()
        folder.chmod(0o755)
        own(self.folder)
        self.process = None

    def run(self, command, ready):
        self.process = subprocess.Popen(
            as_user(command), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/"
        )
        for line in self.process.stderr:
            if ready in line:
                break
        # The pipe is read on, so that the server never waits for it.
        subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)

    def stop(self):
        if self.process:
            self.process.send_signal(2 if isinstance(self, PostgreSql) else 15)
            self.process.wait()

    def pids(self):
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def fixture(self, name):
        return (ROOT / "fixtures" / "sql" / name).read_text()

    def fill(self, rows, fingerprint):
        now = int(time.time() * 1000)
        table = self.folder / "rows.tsv"
        with table.open("w") as file:
            for number in range(1, rows + 1):
                print(*values(number, fingerprint, now), sep="\t", file=file)
        table.chmod(0o644)
        self.load(table)
        table.unlink()
        self.execute("create index updated on CertificateData (updateTime, fingerprint)")


class PostgreSql(Server):
    def start(self):
        program = sorted(Path("/usr/lib/postgresql").iterdir(), key=lambda path: int(path.name))[-1] / "bin"
        data = self.folder / "data"
        options = ["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(as_user([program / "initdb", "-D", data, *options]), check=True, capture_output=True)
        settings = ["listen_addresses=", "fsync=off", "synchronous_commit=off", "shared_buffers=512MB"]
        settings += ["max_wal_size=4GB", "autovacuum=off"]
        settings = [word for setting in settings for word in ("-c", setting)]
        self.run([program / "postgres", "-D", data, "-k", self.folder, *settings], "ready to accept")
        self.execute("create database ca", "postgres")
        self.execute(self.fixture("ejbca-postgresql.sql"))
        self.address = f"postgresql://postgres@/ca?host={self.folder}"

    def execute(self, sql, name="ca"):
        command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-U", "postgres", "-d", name]
        subprocess.run([*command, "-f", "-"], input=sql, text=True, check=True, capture_output=True)

    def load(self, table):
        self.execute(f"\\copy CertificateData ({COLUMNS}) from '{table}'\nanalyze;")


class MariaDb(Server):
    def start(self):
        data = self.folder / "data"
        install = ["mariadb-install-db", "--no-defaults", "--skip-test-db", f"--datadir={data}"]
        install.append("--auth-root-authentication-method=normal")
        subprocess.run(as_user(install), check=True, capture_output=True)
        options = [f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid", "--skip-networking"]
        options += ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=512M"]
        options += [f"--datadir={data}", "--secure-file-priv="]
        self.run(["mariadbd", "--no-defaults", *options], "ready for connections")
        self.execute("create database ca", "mysql")
        self.execute(self.fixture("ejbca-mariadb.sql"))
        self.address = f"mariadb://root@/ca?socket={self.folder}/socket"

    def execute(self, sql, name="ca"):
        command = ["mariadb", "--no-defaults", "--local-infile=1", "-u", "root", f"--socket={self.folder}/socket"]
        subprocess.run([*command, name], input=sql, text=True, check=True, capture_output=True)

    def load(self, table):
        self.execute(f"load data local infile '{table}' into table CertificateData ({COLUMNS});")


class Sqlite(Server):
    def start(self):
        self.file = self.folder / "ca.db"
        self.execute(self.fixture("ejbca-postgresql.sql"))
        self.address = f"sqlite:{self.file}"

    def execute(self, sql):
        with sqlite3.connect(self.file, timeout=30) as connection:
            connection.executescript(sql)
        connection.close()

    def load(self, table):
        with sqlite3.connect(self.file) as connection:
            rows = (line.rstrip("\n").split("\t") for line in table.open())
            places = ", ".join("?" * 13)
            connection.executemany(f"insert into CertificateData ({COLUMNS}) values ({places})", rows)
        connection.close()

    def pids(self):
        return []


if __name__ == "__main__":
    main()
