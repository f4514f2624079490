"""What schemathesis cannot know of the API: NDJSON, that a key is for one batch, and the issuer's name."""

import itertools
import json
import os
import re

import schemathesis

keys = itertools.count()


@schemathesis.serializer("application/x-ndjson")
def ndjson(ctx, value):
    lines = value if isinstance(value, list) else [[value]]
    return "\n".join(json.dumps(line) for line in lines).encode()


@schemathesis.hook
def before_call(ctx, case, kwargs):
    # One that is no key stays as it is.
    for name, value in list((case.headers or {}).items()):
        if name.lower() == "idempotency-key" and re.fullmatch("[!-~]{1,255}", str(value)):
            case.headers[name] = f"{os.getpid()}-{next(keys)}"
    if str((case.path_parameters or {}).get("issuer", "")).isalnum():
        case.path_parameters["issuer"] = "ca"
