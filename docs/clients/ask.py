"""Asks for the status of a certificate at the URL in it: ask.py CERTIFICATE ISSUER

Checks that the answer is about that certificate; whether its signature holds is left to a library that
builds paths (OpenSSL, Java).
"""

import sys, urllib.request
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID as AIA

certificate, issuer = (x509.load_pem_x509_certificate(open(name, "rb").read()) for name in sys.argv[1:])
access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
url = next(a.access_location.value for a in access if a.access_method == AIA.OCSP)
asked = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
told = urllib.request.urlopen(urllib.request.Request(
    url, asked.public_bytes(Encoding.DER), {"Content-Type": "application/ocsp-request"}))
answer = ocsp.load_der_ocsp_response(told.read())
assert answer.serial_number == certificate.serial_number
print(answer.certificate_status.name, answer.revocation_reason, answer.next_update_utc)
