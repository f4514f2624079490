"""Makes CAs with an OCSP delegate each: CA0.pem, CA0.ocsp.pem, CA1.pem, ... and one key for all delegates.

Reads the folder and how many from stdin. Writes to stdout the start of each CA's CertIDs, up to the serial,
for SHA-1 and SHA-256.
"""

import datetime
import hashlib
import json
import pathlib
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime.now(datetime.timezone.utc)


def main():
    folder, count = sys.stdin.read().split()
    folder = pathlib.Path(folder)
    delegate = ec.generate_private_key(ec.SECP256R1())
    (folder / "ocsp.key").touch(0o600)
    (folder / "ocsp.key").write_bytes(delegate.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    starts = []
    for number in range(int(count)):
        key = ec.generate_private_key(ec.SECP256R1())
        name = named(f"CA {number}")
        ca = (
            certificate(name, name, key)
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(usage(key_cert_sign=True, crl_sign=True), True)
            .sign(key, hashes.SHA256())
        )
        ocsp = (
            certificate(name, named("OCSP"), delegate)
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(usage(digital_signature=True), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
            .add_extension(x509.OCSPNoCheck(), False)
            .sign(key, hashes.SHA256())
        )
        for file, made in ((f"CA{number}.pem", ca), (f"CA{number}.ocsp.pem", ocsp)):
            (folder / file).write_bytes(made.public_bytes(serialization.Encoding.PEM))
        starts.append([cert_id_start(algorithm, name, key) for algorithm in ("sha1", "sha256")])
    json.dump(starts, sys.stdout)


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(**given):
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
             "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


def certificate(issuer, subject, key):
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - datetime.timedelta(hours=1))
        .not_valid_after(NOW + datetime.timedelta(days=365))
    )


def cert_id_start(algorithm, name, key):
    oid = {"sha1": "06052b0e03021a", "sha256": "0609608648016503040201"}[algorithm] + "0500"
    bits = key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    digest = lambda octets: hashlib.new(algorithm, octets).hexdigest()
    size = f"04{len(digest(b'')) // 2:02x}"
    return f"30{len(oid) // 2:02x}{oid}{size}{digest(name.public_bytes())}{size}{digest(bits)}"


main()
