# Verifies with the OpenSSL of `cryptography`: root.pem issued by itself, the issuer by the root, the delegate by the
# issuer, and the CRLs behind them by the issuer.
import sys

from cryptography import x509

root, issuer, delegate = (
    x509.load_pem_x509_certificate(open(path, "rb").read()) for path in sys.argv[1:4]
)
root.verify_directly_issued_by(root)
issuer.verify_directly_issued_by(root)
delegate.verify_directly_issued_by(issuer)
assert issuer.signature_algorithm_oid.dotted_string.startswith("2.16.840.1.101.3.4.3.")
for path in sys.argv[4:]:
    crl = x509.load_der_x509_crl(open(path, "rb").read())
    assert crl.issuer == issuer.subject, path
    assert crl.is_signature_valid(issuer.public_key()), path
print(len(sys.argv) - 4, "CRLs")
