# What `cryptography` reads in the CRLs that are named, as JSON; the second argument signed each of them.
import json, sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import CRLEntryExtensionOID, ExtensionOID

ca = x509.load_pem_x509_certificate(open(sys.argv[1], "rb").read())
own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


def entry(revoked):
    reason, invalidity = "unspecified", None
    for extension in revoked.extensions:
        if extension.oid == CRLEntryExtensionOID.CRL_REASON:
            reason = extension.value.reason.value
        if extension.oid == CRLEntryExtensionOID.INVALIDITY_DATE:
            invalidity = extension.value.invalidity_date_utc.isoformat()
    return [
        f"{revoked.serial_number:040X}",
        revoked.revocation_date_utc.isoformat(),
        reason,
        invalidity,
    ]


told = {}
for path in sys.argv[2:]:
    data = open(path, "rb").read()
    load = x509.load_pem_x509_crl if data.startswith(b"-----") else x509.load_der_x509_crl
    crl = load(data)
    extensions = {extension.oid: extension for extension in crl.extensions}
    key_id = extensions.get(ExtensionOID.AUTHORITY_KEY_IDENTIFIER)
    number = extensions.get(ExtensionOID.CRL_NUMBER)
    entries = [entry(revoked) for revoked in crl]
    told[path] = {
        "signed": crl.is_signature_valid(ca.public_key()),
        "issuer": crl.issuer.public_bytes() == ca.subject.public_bytes(),
        "key_id": key_id is not None and key_id.value.key_identifier == own,
        "number": number and number.value.crl_number,
        "critical": [oid.dotted_string for oid, extension in extensions.items() if extension.critical],
        "validity": (crl.next_update_utc - crl.last_update_utc).total_seconds(),
        "sorted": entries == sorted(entries),
        "entries": sorted(entries),
    }
print(json.dumps(told))
