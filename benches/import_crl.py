#!/usr/bin/env python3
"""Imports a large CRL with the built binary beside `openssl crl` on the same file, and prints the ratio.

    python3 benches/import_crl.py [--entries 1000000] [--rounds 3] [--keep DIR]

One CA with a P-256 key and a CRL of that many entries: serials of 16 octets, a reason in every second.
In each round, one after the other so that both meet the same machine:

  openssl   `openssl crl -CAfile ca.pem -noout`: reads the CRL and verifies its signature
  refused   the import of the same CRL with its last octet altered: everything is read, kept and hashed,
            then the signature does not hold. What reading and checking cost
  import    into a new state: the same and a million changes, durable
  again     the same CRL again: compared with the ledger, nothing changes
  next      the next CRL, with 100 more entries: compared, and those applied

CPU is user and system time of all threads of the process; memory is the most it ever held (VmHWM). The
least of the rounds is given. Needs the built binary, Python and openssl.
"""

import argparse
import multiprocessing
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release" / "estelam"
DAY = 86_400


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="work here and leave it")
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    folder = (arguments.keep or Path(tempfile.mkdtemp(prefix="estelam-bench-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        # In a process of its own: what it holds would count as held by whatever is started after it.
        maker = multiprocessing.Process(target=make, args=(folder, arguments.entries))
        maker.start()
        maker.join()
        rounds = [one_round(folder, arguments.binary.resolve()) for _ in range(arguments.rounds)]
        report(rounds)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def one_round(folder, binary):
    shutil.rmtree(folder / "state", ignore_errors=True)
    command = [binary, "import", "crl", "--config", "estelam.toml"]
    return {
        "openssl": spend(
            folder, ["openssl", "crl", "-inform", "DER", "-in", "big.crl", "-CAfile", "ca.pem", "-noout"]
        ),
        "refused": spend(folder, [*command, "altered.crl"], 5),
        "import": spend(folder, [*command, "big.crl"]),
        "again": spend(folder, [*command, "big.crl"]),
        "next": spend(folder, [*command, "next.crl"]),
    }


def spend(folder, command, code=0):
    """CPU seconds, seconds and KiB of a command."""
    begun = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != code:
        raise SystemExit(f"{command[0]} ended with {process.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begun, usage.ru_maxrss


def report(rounds):
    least = {
        step: [min(a_round[step][place] for a_round in rounds) for place in range(3)]
        for step in rounds[0]
    }
    base = least["openssl"][0]
    for step, (cpu, seconds, kib) in least.items():
        print(
            f"{step:<8} {cpu:6.2f} CPU-s  {cpu / base:5.2f} of openssl  {seconds:6.2f} s"
            f"  {kib / 1024:6.1f} MiB",
            flush=True,
        )


def make(folder, entries):
    """The CA, its CRL and a configuration."""
    if (folder / "big.crl").exists():
        return

    def openssl(*arguments):
        result = subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
        return result.stdout

    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
        "-subj", "/CN=Bench CA", "-days", "3650", "-keyout", "ca.key", "-out", "ca.pem",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
    )  # fmt: skip
    (folder / "estelam.toml").write_text(
        """state_dir = "state"
[[listen]]
address = "127.0.0.1:0"
[[issuer]]
name = "bench"
certificate = "ca.pem"
[[issuer.signer]]
certificate = "ca.pem"
key = "ca.key"
"""
    )
    certificate = openssl("x509", "-in", "ca.pem", "-outform", "DER")
    name = tlv(0x30, tlv(0x31, tlv(0x30, bytes.fromhex("0603550403") + tlv(0x0C, b"Bench CA"))))
    assert name in certificate, "OpenSSL writes names otherwise"
    key_id = certificate[certificate.index(bytes.fromhex("0603551d0e")) + 9 :][:20]
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    date = tlv(0x17, b"260101120000Z")
    reason = tlv(0x30, tlv(0x30, bytes.fromhex("0603551d15") + tlv(4, bytes([10, 1, 1]))))
    listed = b"".join(
        tlv(0x30, tlv(2, bytes([0x10]) + os.urandom(15)) + date + (reason if number % 2 else b""))
        for number in range(entries)
    )
    now = time.time()

    def sign(number, age, listed):
        extensions = tlv(0x30, bytes.fromhex("0603551d23") + tlv(4, tlv(0x30, tlv(0x80, key_id))))
        extensions += tlv(0x30, bytes.fromhex("0603551d14") + tlv(4, bytes([2, 1, number])))
        tbs = tlv(
            0x30,
            bytes([2, 1, 1]) + algorithm + name + utc_time(now - age) + utc_time(now + 30 * DAY)
            + tlv(0x30, listed) + tlv(0xA0, tlv(0x30, extensions)),
        )  # fmt: skip
        (folder / "tbs").write_bytes(tbs)
        signature = openssl("dgst", "-sha256", "-sign", "ca.key", "tbs")
        (folder / "tbs").unlink()
        return tlv(0x30, tbs + algorithm + tlv(3, b"\0" + signature))

    crl = sign(1, 60, listed)
    (folder / "big.crl").write_bytes(crl)
    (folder / "altered.crl").write_bytes(crl[:-1] + bytes([crl[-1] ^ 1]))
    more = b"".join(
        tlv(0x30, tlv(2, bytes([0x11]) + os.urandom(15)) + date + reason) for _ in range(100)
    )
    (folder / "next.crl").write_bytes(sign(2, 30, listed + more))


def tlv(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def utc_time(secs):
    return tlv(0x17, time.strftime("%y%m%d%H%M%SZ", time.gmtime(secs)).encode())


if __name__ == "__main__":
    main()
