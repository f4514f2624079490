# What `cryptography` reads in every CRL of NIST PKITS, as JSON.
import glob, hashlib, json, os

import cryptography_vectors
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

folder = os.path.join(os.path.dirname(cryptography_vectors.__file__), "x509/PKITS_data/crls")


def rfc3339(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def number(crl, oid):
    try:
        value = crl.extensions.get_extension_for_oid(oid).value
    except x509.ExtensionNotFound:
        return None
    return value.crl_number


def entry(revoked):
    reason = "unspecified"
    for extension in revoked.extensions:
        if extension.oid == x509.oid.CRLEntryExtensionOID.CRL_REASON:
            reason = extension.value.reason.value
    content = revoked.serial_number.to_bytes(32, "big", signed=True).lstrip(b"\0")
    return [content.hex().upper(), rfc3339(revoked.revocation_date_utc), reason]


told = {}
for path in sorted(glob.glob(os.path.join(folder, "*.crl"))):
    der = open(path, "rb").read()
    crl = x509.load_der_x509_crl(der)
    told[path] = {
        "sha256": hashlib.sha256(der).hexdigest(),
        "octets": len(der),
        "this_update": rfc3339(crl.last_update_utc),
        "next_update": crl.next_update_utc and rfc3339(crl.next_update_utc),
        "crl_number": number(crl, ExtensionOID.CRL_NUMBER),
        "base_crl_number": number(crl, ExtensionOID.DELTA_CRL_INDICATOR),
        "entries": [entry(revoked) for revoked in crl if revoked.serial_number > 0],
        "negative": sum(revoked.serial_number < 0 for revoked in crl),
    }
print(json.dumps(told))
