"""Judges OCSP responses with Python `cryptography`, and with pkilint where asked.

Reads [{"issuer": PEM path, "signer": PEM path, "by_name": whether responderIDs are, "pss": whether a plain RSA
key has to sign with RSASSA-PSS, "cases": [...]}, ...] from stdin and writes the list of what is wrong to stdout. One process judges many responses.
"""

import datetime
import hashlib
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, PublicKeyAlgorithmOID, SignatureAlgorithmOID

REASONS = {
    1: "keyCompromise", 2: "cACompromise", 3: "affiliationChanged", 4: "superseded",
    5: "cessationOfOperation", 6: "certificateHold", 9: "privilegeWithdrawn", 10: "aACompromise",
}
INVALIDITY_DATE = x509.ObjectIdentifier("2.5.29.24")


def main():
    tasks = json.load(sys.stdin)
    lint = linter() if any(case["lint"] for task in tasks for case in task["cases"]) else None
    problems = []
    for task in tasks:
        with open(task["issuer"], "rb") as file:
            issuer = x509.load_pem_x509_certificate(file.read())
        with open(task["signer"], "rb") as file:
            signer = x509.load_pem_x509_certificate(file.read())
        for case in task["cases"]:
            der = bytes.fromhex(case["response"])
            one = "status" in case["expected"]
            judged = (judge if one else judge_several)(case, der, issuer, signer, task)
            found = list(judged)
            if case["lint"]:
                found += lint(der)
            problems += [f"{case['name']}: {problem}" for problem in found]
    json.dump(problems, sys.stdout)


def judge(case, der, issuer, signer, task):
    """Yields what a strict client would not accept."""
    request = ocsp.load_der_ocsp_request(bytes.fromhex(case["request"]))
    response = ocsp.load_der_ocsp_response(der)
    if response.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
        yield f"responseStatus {response.response_status}"
        return
    if len(list(response.responses)) != 1:
        yield "not one SingleResponse"
        return
    yield from judge_signer(response, issuer, signer, task)

    asked = (request.serial_number, request.issuer_name_hash, request.issuer_key_hash,
             request.hash_algorithm.name)
    told = (response.serial_number, response.issuer_name_hash, response.issuer_key_hash,
            response.hash_algorithm.name)
    if asked != told:
        yield f"the CertID {told} is not the one asked, {asked}"
    name = issuer.subject.public_bytes()
    digest = lambda octets: hashlib.new(response.hash_algorithm.name, octets).digest()
    if (response.issuer_name_hash, response.issuer_key_hash) != (digest(name), digest(key_bits(issuer))):
        yield "the CertID's hashes are not the issuer's"

    expected = case["expected"]
    status = response.certificate_status.name.lower()
    if status != expected["status"]:
        yield f"certStatus {status}, not {expected['status']}"
    if status == "revoked":
        time = response.revocation_time_utc.strftime("%Y%m%d%H%M%SZ")
        if expected.get("time") not in (None, time):
            yield f"revocationTime {time}, not {expected['time']}"
        reason = response.revocation_reason
        wanted = REASONS.get(expected.get("reason"))
        if (reason.value if reason else None) != wanted:
            yield f"revocationReason {reason}, not {wanted}"
        if response.revocation_time_utc > response.this_update_utc:
            yield "revocationTime is later than thisUpdate"
    singles = {extension.oid: extension for extension in response.single_extensions}
    date = singles.pop(INVALIDITY_DATE, None)
    date = date.value.invalidity_date.strftime("%Y%m%d%H%M%SZ") if date else None
    if date != expected.get("invalidity_date"):
        yield f"invalidityDate {date}, not {expected.get('invalidity_date')}"
    if singles:
        yield f"singleExtensions {list(singles)}"
    if len(response.extensions) != 0:
        yield f"responseExtensions {list(response.extensions)}"

    now = datetime.datetime.now(datetime.timezone.utc)
    if not response.this_update_utc <= now < response.next_update_utc:
        yield f"not current: {response.this_update_utc} to {response.next_update_utc}"
    if response.produced_at_utc > now or response.produced_at_utc < response.this_update_utc:
        yield f"producedAt {response.produced_at_utc}"


def judge_several(case, der, issuer, signer, task):
    """The same for an answer about several certificates: their serials and statuses in order."""
    response = ocsp.load_der_ocsp_response(der)
    yield from judge_signer(response, issuer, signer, task)
    told = [
        {
            "serial": one.serial_number,
            "status": one.certificate_status.name.lower(),
            "time": one.revocation_time_utc and one.revocation_time_utc.strftime("%Y%m%d%H%M%SZ"),
            "reason": one.revocation_reason and one.revocation_reason.value,
        }
        for one in response.responses
    ]
    expected = [
        {
            "serial": int(one["serial"], 16),
            "status": one["status"],
            "time": one["time"],
            "reason": REASONS.get(one["reason"]),
        }
        for one in case["expected"]["several"]
    ]
    if told != expected:
        yield f"{told} is told, not {expected}"


def judge_signer(response, issuer, signer, task):
    """Yields why the signer would not be believed."""
    certificates = list(response.certificates)
    if signer == issuer:
        if certificates:
            yield "the issuer itself signs, and certs are sent"
    elif certificates != [signer]:
        yield "certs are not the delegate's certificate alone"
    else:
        signer.verify_directly_issued_by(issuer)
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.OCSP_SIGNING not in usage:
            yield "the delegate may not sign OCSP"
        if any(one.next_update_utc > signer.not_valid_after_utc for one in response.responses):
            yield "nextUpdate is later than the delegate's notAfter"
    told = (response.responder_name, response.responder_key_hash)
    by_name, by_key = (signer.subject, None), (None, hashlib.sha1(key_bits(signer)).digest())
    if told != (by_name if task["by_name"] else by_key):
        yield f"responderID is {told}"
    is_pss = task.get("pss") or signer.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS
    algorithm, how = scheme(signer.public_key(), is_pss)
    if response.signature_algorithm_oid != algorithm:
        yield f"signatureAlgorithm {response.signature_algorithm_oid}"
    try:
        signer.public_key().verify(response.signature, response.tbs_response_bytes, *how)
    except Exception as error:
        yield f"the signature is wrong: {error!r}"


def key_bits(certificate):
    """The value of subjectPublicKey: what CertID and responderID hash."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        form = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    elif isinstance(key, rsa.RSAPublicKey):
        form = (serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    else:
        form = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return key.public_bytes(*form)


def scheme(key, is_pss):
    """The signatureAlgorithm that belongs to a key (RFC 5758, 8410, 8017, 9881), and how to verify it."""
    if isinstance(key, mldsa.MLDSA44PublicKey):
        return SignatureAlgorithmOID.ML_DSA_44, ()
    if isinstance(key, mldsa.MLDSA65PublicKey):
        return SignatureAlgorithmOID.ML_DSA_65, ()
    if is_pss:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
        return SignatureAlgorithmOID.RSASSA_PSS, (pss, hashes.SHA256())
    if isinstance(key, rsa.RSAPublicKey):
        return SignatureAlgorithmOID.RSA_WITH_SHA256, (padding.PKCS1v15(), hashes.SHA256())
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return SignatureAlgorithmOID.ED25519, ()
    if isinstance(key.curve, ec.SECP384R1):
        return SignatureAlgorithmOID.ECDSA_WITH_SHA384, (ec.ECDSA(hashes.SHA384()),)
    return SignatureAlgorithmOID.ECDSA_WITH_SHA256, (ec.ECDSA(hashes.SHA256()),)


def linter():
    """pkilint's checks of OCSP responses, as its `lint_ocsp_response` sets them up."""
    from pkilint import loader, pkix, validation
    from pkilint.pkix import extension, name, ocsp as lint_ocsp

    checks = lint_ocsp.create_pkix_ocsp_response_validator_container(
        [
            lint_ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )
    load = loader.RFC6960OCSPResponseDocumentLoader().load_der_document

    def lint(der):
        response = load(der, "response")
        return [
            f"pkilint: {finding.finding.severity.name} {finding.finding.code} {finding.message or ''}"
            for result in checks.validate(response.root)
            for finding in result.finding_descriptions
            if finding.finding.severity <= validation.ValidationFindingSeverity.NOTICE
        ]

    return lint


main()
