"""Makes the odd CRLs of `cryptography-vectors` usable: for each an issuer of the very same name.

Writes into the folder that stdin names, for each `x509/custom/crl_*`:
NAME.crl        as it is, in DER;
NAME.again.crl  with the same tbsCertList but for its two dates, which are made current where they can be
                read, signed by the issuer below: only what is odd is left to be judged;
NAME.sha256.crl for those that say that another algorithm signed them: the same with SHA-256 inside;
                what was said inside stands outside where the two had differed;
NAME.pem        the issuer, whose name is the CRL's issuer octet for octet, and whose
                subjectKeyIdentifier is what the CRL's authorityKeyIdentifier names;
NAME.ocsp.pem   its OCSP delegate, with the key `ocsp.key`.
And two CRLs whose real issuer is there, NAME.crl and NAME.pem: the same issuer for both.
To stdout go the names, and the folder with the OCSP requests.
"""

import base64
import datetime
import hashlib
import json
import pathlib
import sys

import cryptography_vectors
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

DATA = pathlib.Path(cryptography_vectors.__file__).parent / "x509"
NOW = datetime.datetime.now(datetime.timezone.utc)
SHA256_WITH_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")


def main():
    folder = pathlib.Path(sys.stdin.readline().strip())
    delegate = ec.generate_private_key(ec.SECP256R1())
    (folder / "ocsp.key").touch(0o600)
    (folder / "ocsp.key").write_bytes(delegate.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    # Issuers are told apart by name and key; so many of these have one name.
    keys, taken = [], {}
    names = []
    for path in sorted(DATA.glob("custom/crl_*")):
        der = unwrapped(path)
        (folder / f"{path.stem}.crl").write_bytes(der)
        tbs, algorithm, _ = children(children(der)[0][1])
        issuer, key_id = issuer_and_key_id(tbs[1])
        number = taken[issuer] = taken.get(issuer, -1) + 1
        if number == len(keys):
            keys.append(rsa.generate_private_key(65537, 2048))
        key = keys[number]
        key_id = key_id or hashlib.sha1(spki(key)).digest()
        (folder / f"{path.stem}.again.crl").write_bytes(signed(current(tbs), algorithm[2], key))
        inside = next(field[2] for field in children(tbs[1]) if field[0] == 0x30)
        if inside != SHA256_WITH_RSA:
            outside = SHA256_WITH_RSA if inside == algorithm[2] else inside
            again = current(tbs).replace(inside, SHA256_WITH_RSA)
            (folder / f"{path.stem}.sha256.crl").write_bytes(signed(again, outside, key))
        ca = [
            extension("551d13", True, tlv(0x30, b"\x01\x01\xff")),
            extension("551d0f", True, b"\x03\x02\x01\x06"),
            extension("551d0e", False, tlv(0x04, key_id)),
        ]
        pem(folder / f"{path.stem}.pem", certificate(issuer, issuer, key, ca, key))
        usage = [
            extension("551d0f", True, b"\x03\x02\x07\x80"),
            extension("551d25", False, tlv(0x30, oid("2b06010505070309"))),
            extension("2b0601050507300105", False, b"\x05\x00"),
        ]
        subject = tlv(0x30, tlv(0x31, tlv(0x30, oid("550403") + tlv(0x0C, b"OCSP"))))
        pem(folder / f"{path.stem}.ocsp.pem", certificate(issuer, subject, delegate, usage, key))
        names.append(path.stem)
    for name in ("valid_signature", "invalid_signature"):
        (folder / f"{name}.crl").write_bytes(unwrapped(DATA / "custom" / f"{name}_crl.pem"))
        pem(folder / f"{name}.pem", unwrapped(DATA / "custom" / f"{name}_cert.pem"))
    json.dump({"crls": names, "requests": str(DATA / "ocsp")}, sys.stdout)


def unwrapped(path):
    octets = path.read_bytes()
    if path.suffix != ".pem":
        return octets
    lines = octets.decode().split("-----BEGIN ")[1].splitlines()[1:]
    return base64.b64decode("".join(lines[: [line[:5] for line in lines].index("-----")]))


def issuer_and_key_id(tbs):
    """The whole issuer field, and the keyIdentifier of authorityKeyIdentifier if there is one."""
    fields = children(tbs)
    issuer = fields[2 if fields[0][0] == 0x02 else 1][2]
    at = tbs.find(bytes.fromhex("0603551d23"))
    if at < 0:
        return issuer, None
    value = children(children(children(tbs[at + 5 :][: 2 + tbs[at + 6]])[0][1])[0][1])
    return issuer, next((part[1] for part in value if part[0] == 0x80), None)


def current(tbs):
    """tbsCertList with thisUpdate and nextUpdate around now, where there were readable ones."""
    fields = children(tbs[1])
    first = 3 if fields[0][0] == 0x02 else 2
    out = b"".join(field[2] for field in fields[:first])
    for days, (tag, content, whole) in zip((-1, 30), fields[first : first + 2]):
        form = {0x17: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}.get(tag, "")
        time = (NOW + datetime.timedelta(days=days)).strftime(form).encode()
        readable = len(content) == len(time) and content[:-1].isdigit() and content[-1:] == b"Z"
        out += tlv(tag, time) if readable else whole
    return tlv(0x30, out + b"".join(field[2] for field in fields[first + 2 :]))


def signed(tbs, algorithm, key):
    """CertificateList or Certificate, signed with SHA-256 whatever `algorithm` says."""
    signature = key.sign(tbs, padding.PKCS1v15(), hashes.SHA256())
    return tlv(0x30, tbs + algorithm + tlv(0x03, b"\x00" + signature))


def certificate(issuer, subject, subject_key, extensions, issuer_key):
    time = lambda days: tlv(0x17, (NOW + datetime.timedelta(days=days)).strftime("%y%m%d%H%M%SZ").encode())
    public_key = subject_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    serial = tlv(0x02, b"\x01" + hashlib.sha256(issuer + public_key).digest()[:15])
    tbs = (tlv(0xA0, b"\x02\x01\x02") + serial + SHA256_WITH_RSA + issuer
           + tlv(0x30, time(-2) + time(365)) + subject + public_key
           + tlv(0xA3, tlv(0x30, b"".join(extensions))))
    return signed(tlv(0x30, tbs), SHA256_WITH_RSA, issuer_key)


def extension(identifier, critical, value):
    return tlv(0x30, oid(identifier) + (b"\x01\x01\xff" if critical else b"") + tlv(0x04, value))


def oid(identifier):
    return tlv(0x06, bytes.fromhex(identifier))


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.PKCS1)


def pem(path, der):
    path.write_text("-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der).decode()
                    + "-----END CERTIFICATE-----\n")


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
