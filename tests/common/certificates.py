"""Judges certificates with Python `cryptography` and pkilint.

Reads a list of {"name", "certificate": PEM path, "issuer": PEM path} from stdin and writes the list of
what is wrong to stdout. One process judges many certificates.
"""

import json
import sys

from cryptography import x509
from pkilint import loader, validation
from pkilint.pkix import certificate, extension, name

def main():
    problems = []
    check = linter()
    for case in json.load(sys.stdin):
        found = list(judge(case)) + check(case["certificate"])
        problems += [f"{case['name']}: {problem}" for problem in found]
    json.dump(problems, sys.stdout)


def load(path):
    with open(path, "rb") as file:
        return x509.load_pem_x509_certificate(file.read())


def judge(case):
    """Yields what a strict reader would not accept."""
    certificate, issuer = load(case["certificate"]), load(case["issuer"])
    certificate.verify_directly_issued_by(issuer)
    if certificate.version != x509.Version.v3:
        yield f"version {certificate.version}"
    if not 0 < certificate.serial_number < 2**159 or certificate.serial_number < 2**64:
        yield f"serialNumber {certificate.serial_number:x}"
    if certificate.issuer.public_bytes() != issuer.subject.public_bytes():
        yield "the issuer's name is not the issuer's subject"
    if certificate.not_valid_after_utc > issuer.not_valid_after_utc:
        yield "it outlives its issuer"
    extensions = certificate.extensions
    identifier = extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    theirs = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if identifier.key_identifier != theirs.digest:
        yield "authorityKeyIdentifier is not the issuer's subjectKeyIdentifier"
    own = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    if own != x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()):
        yield "subjectKeyIdentifier is not that of its key"


def linter():
    """pkilint's checks of RFC 5280, as its `lint_pkix_cert` sets them up."""
    checks = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(
            name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
        ),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    load_document = loader.RFC5280CertificateDocumentLoader().load_pem_document

    def lint(path):
        with open(path) as file:
            document = load_document(file.read(), path)
        return [
            f"pkilint: {finding.finding.severity.name} {finding.finding.code} {finding.message or ''}"
            for result in checks.validate(document.root)
            for finding in result.finding_descriptions
            if finding.finding.severity <= validation.ValidationFindingSeverity.NOTICE
        ]

    return lint


main()
