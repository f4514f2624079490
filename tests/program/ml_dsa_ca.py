# A CA by `cryptography` and the OpenSSL that it brings, in the folder that is named: ca.pem and ca.key, a delegate
# ocsp.pem and ocsp.key, a certificate leaf.pem, a CRL ca.crl, and a CRL forged.crl that another key signed.
import datetime
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

folder, name = sys.argv[1:]
generate = {"ml-dsa-44": mldsa.MLDSA44PrivateKey, "ml-dsa-65": mldsa.MLDSA65PrivateKey}[name].generate
begin = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(hours=1)
end = begin + datetime.timedelta(days=30)


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def write(name, octets):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(octets)


def issue(name, key, issuer, issuer_key, extensions):
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    certificate = builder.sign(issuer_key, None)
    write(f"{name}.pem", certificate.public_bytes(serialization.Encoding.PEM))
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write(f"{name}.key", key.private_bytes(*form))
    return certificate


def usage(**given):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{name: given.get(name, False) for name in names})


ca_key, delegate_key, other_key = generate(), generate(), generate()
ca = issue("ca", ca_key, "ca", ca_key, [
    (x509.BasicConstraints(True, None), True),
    (usage(key_cert_sign=True, crl_sign=True), True),
    (x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), False),
])
issue("ocsp", delegate_key, "ca", ca_key, [
    (x509.BasicConstraints(False, None), True),
    (usage(digital_signature=True), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False),
    (x509.OCSPNoCheck(), False),
])
leaf = issue("leaf", other_key, "ca", ca_key, [(usage(digital_signature=True), True)])
for name, key in [("ca.crl", ca_key), ("forged.crl", other_key)]:
    revoked = x509.RevokedCertificateBuilder().serial_number(leaf.serial_number).revocation_date(begin).build()
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.subject)
        .last_update(begin)
        .next_update(end)
        .add_revoked_certificate(revoked)
        .add_extension(x509.CRLNumber(1), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), False)
        .sign(key, None)
    )
    write(name, crl.public_bytes(serialization.Encoding.DER))
print(f"{leaf.serial_number:X}")
