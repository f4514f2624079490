# Verifies manifests, and makes one, with jwcrypto and with `cryptography` alone; shares nothing with the
# program.
#
#   manifest.py verify VKEY FILE…   prints the payloads as a list
#   manifest.py sign KEY.pem NAME   signs the payload on stdin
import base64, json, sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwcrypto import jwk, jws
from jwcrypto.jws import JWSHeaderRegistry

REGISTRY = {"typ": JWSHeaderRegistry["typ"]}


def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def public_key(vkey):
    name, _, key = vkey.split("+", 2)
    key = base64.b64decode(key)
    assert key[0] == 1 and len(key) == 33, "an Ed25519 key"
    return name, key[1:]


def verify(vkey, text):
    name, octets = public_key(vkey)
    document = json.loads(text)
    # By hand, as the documentation says.
    signed = (document["protected"] + "." + document["payload"]).encode()
    Ed25519PublicKey.from_public_bytes(octets).verify(unpadded(document["signature"]), signed)
    # By a library for JOSE.
    key = jwk.JWK(kty="OKP", crv="Ed25519", x=base64.urlsafe_b64encode(octets).rstrip(b"=").decode())
    token = jws.JWS()
    token.allowed_algs = ["EdDSA"]
    token.deserialize(text)
    token.verify(key)
    payload = token.payload.decode() if isinstance(token.payload, bytes) else token.payload
    assert payload == document["payload"]
    header = token.jose_header
    assert header["kid"] == name and header["typ"] == "crl-manifest+json", header
    return json.loads(payload)


if sys.argv[1] == "verify":
    print(json.dumps([verify(sys.argv[2], open(path).read()) for path in sys.argv[3:]]))
else:
    key = jwk.JWK.from_pyca(load_pem_private_key(open(sys.argv[2], "rb").read(), None))
    header = {"alg": "EdDSA", "b64": False, "crit": ["b64"], "kid": sys.argv[3], "typ": "crl-manifest+json"}
    token = jws.JWS(sys.stdin.read())
    token.allowed_algs = ["EdDSA"]
    token.add_signature(key, None, json.dumps(header), None)
    print(token.serialize())
