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
def before_call(context, case, kwargs):
    headers = case.headers or {}
    name = next((name for name in headers if name.lower() == "idempotency-key"), None)
    if name and re.fullmatch("[!-~]{1,255}", str(headers[name])):
        headers[name] = f"{os.getpid()}-{next(keys)}"


@schemathesis.hook
def map_path_parameters(ctx, path_parameters):
    if path_parameters and str(path_parameters.get("issuer", "")).isalnum():
        path_parameters["issuer"] = "ca"
    return path_parameters
