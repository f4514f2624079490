"""Looks into NIST PKITS and issues OCSP delegates under its CAs' own keys.

Reads {"folder": PATH, "issuers": [NAME, ...]} from stdin: where to write, and the certificates (without
their ending) that shall have a delegate. Writes NAME.pem, NAME.ocsp.pem and ocsp.key into the folder, and
to stdout what PKITS holds as others read it: the DER walk below and Python `cryptography`, never the
program under test.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import cryptography_vectors
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

# Of what is odd in PKITS, on purpose.
warnings.simplefilter("ignore")

DATA = pathlib.Path(cryptography_vectors.__file__).parent / "x509" / "PKITS_data"


def main():
    task = json.load(sys.stdin)
    folder = pathlib.Path(task["folder"])
    certificates = {
        path.stem: Certificate(path.read_bytes()) for path in sorted(DATA.glob("certs/*.crt"))
    }
    by_key_id = {}
    for name, certificate in certificates.items():
        if certificate.key_id:
            by_key_id.setdefault(certificate.key_id, []).append(name)
    delegates = Delegates(folder)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda name: delegates.issue(name, certificates[name]), task["issuers"]))
    json.dump(
        {
            "certificates": [
                certificate.told(name, by_key_id, certificates)
                for name, certificate in certificates.items()
            ],
            "crls": {path.stem: crl(path) for path in sorted(DATA.glob("crls/*"))},
            "crl_folder": str(DATA / "crls"),
        },
        sys.stdout,
    )


class Certificate:
    """What a CertID is made of, as octets: several of these no library reads."""

    def __init__(self, der):
        self.der = der
        tbs = children(children(children(der)[0][1])[0][1])
        fields = tbs[1:] if tbs[0][0] == 0xA0 else tbs
        self.serial = fields[0][1]
        self.issuer, self.subject = fields[2][2], fields[4][2]
        self.key_bits = children(fields[5][1])[1][1][1:]
        extensions = {}
        for tag, content, _ in fields[6:]:
            if tag == 0xA3:
                for _, extension, _ in children(children(content)[0][1]):
                    parts = children(extension)
                    extensions[parts[0][1]] = parts[-1][1]
        key_id = extensions.get(b"\x55\x1d\x0e")
        self.key_id = children(key_id)[0][1] if key_id else None
        authority = extensions.get(b"\x55\x1d\x23")
        parts = children(children(authority)[0][1]) if authority else []
        self.authority_key_id = next((part[1] for part in parts if part[0] == 0x80), None)

    def told(self, name, by_key_id, all_of_them):
        """Whose it is, by the key that its authorityKeyIdentifier names, and how it is asked about."""
        found = by_key_id.get(self.authority_key_id or self.key_id, [])
        assert len(found) == 1, f"{name}: {found}"
        issuer = all_of_them[found[0]]
        return {
            "name": name,
            "serial": self.serial.hex().upper(),
            "issuer": found[0],
            "has_issuers_name": self.issuer == issuer.subject,
            "requests": [
                self.request(algorithm, issuer).hex() for algorithm in ("sha1", "sha256")
            ],
        }

    def request(self, algorithm, issuer):
        """RFC 6960 §4.1.1: the name as in the certificate itself, the key as in the issuer's."""
        oid = {"sha1": "06052b0e03021a", "sha256": "0609608648016503040201"}[algorithm]
        digest = lambda octets: tlv(0x04, hashlib.new(algorithm, octets).digest())
        cert_id = tlv(0x30, tlv(0x30, bytes.fromhex(oid + "0500")) + digest(self.issuer)
                      + digest(issuer.key_bits) + tlv(0x02, self.serial))
        return tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x30, cert_id))))


class Delegates:
    """One P-256 key, and a certificate for it from each CA."""

    def __init__(self, folder):
        self.folder = folder
        key = ec.generate_private_key(ec.SECP256R1())
        self.public_key = key.public_key()
        (folder / "ocsp.key").touch(0o600)
        (folder / "ocsp.key").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))

    def issue(self, name, ca):
        pem = base64.encodebytes(ca.der).decode()
        (self.folder / f"{name}.pem").write_text(
            f"-----BEGIN CERTIFICATE-----\n{pem}-----END CERTIFICATE-----\n")
        # Python would check each RSA key for primality, 50 ms for each; OpenSSL takes them as they are.
        key = subprocess.run(
            ["openssl", "pkcs12", "-in", DATA / "pkcs12" / f"{name}.p12", "-passin", "pass:password",
             "-nodes", "-nocerts", "-legacy"], check=True, capture_output=True).stdout
        key = serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True)
        now = datetime.datetime.now(datetime.timezone.utc)
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
             "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
        certificate = (
            x509.CertificateBuilder()
            .issuer_name(x509.load_der_x509_certificate(ca.der).subject)
            .subject_name(x509.Name.from_rfc4514_string(f"CN=OCSP of {name}"))
            .public_key(self.public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .add_extension(x509.BasicConstraints(False, None), True)
            .add_extension(x509.KeyUsage(digital_signature=True, **usage), True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
            .add_extension(x509.OCSPNoCheck(), False)
            .sign(key, hashes.SHA256())
        )
        (self.folder / f"{name}.ocsp.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM))


def crl(path):
    """What a CRL says of itself and lists."""
    found = x509.load_der_x509_crl(path.read_bytes())
    time = lambda instant: instant.strftime("%Y%m%d%H%M%SZ")
    return {
        "this_update": time(found.last_update_utc),
        "next_update": time(found.next_update_utc),
        "points": points(found),
        "entries": [
            {
                "serial": octets(entry.serial_number),
                "time": time(entry.revocation_date_utc),
                "reason": reason(entry),
            }
            for entry in found
        ],
    }


def points(found):
    """The names of its distribution point, each a Name in DER; a relative one made whole."""
    for extension in found.extensions:
        if extension.oid == x509.IssuingDistributionPoint.oid:
            if extension.value.relative_name:
                rdns = [*found.issuer.rdns, extension.value.relative_name]
                return [x509.Name(rdns).public_bytes().hex()]
            names = extension.value.full_name or []
            return [name.value.public_bytes().hex() for name in names]
    return []


def octets(serial):
    digits = f"{serial:X}"
    return "0" + digits if len(digits) % 2 else digits


def reason(entry):
    for extension in entry.extensions:
        if extension.oid == x509.CRLReason.oid:
            return REASONS[extension.value.reason.value]
    return None


# RFC 5280 §5.3.1.
REASONS = {
    "unspecified": 0, "keyCompromise": 1, "cACompromise": 2, "affiliationChanged": 3, "superseded": 4,
    "cessationOfOperation": 5, "certificateHold": 6, "removeFromCRL": 8, "privilegeWithdrawn": 9,
    "aACompromise": 10,
}


def children(der):
    """(tag, content, whole) of each element."""
    found = []
    while der:
        head, length = 2, der[1]
        if length >= 0x80:
            head += length & 0x7F
            length = int.from_bytes(der[2:head], "big")
        found.append((der[0], der[head : head + length], der[: head + length]))
        der = der[head + length :]
    return found


def tlv(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


main()
