"""Several clients that push at the same time, and tell what was acknowledged.

    client.py CA.pem TOKEN

Reads lines {"address": "HOST:PORT", "clients": [[{"key", "body"}, …], …]}. Each client has one connection
and pushes its batches one after another, up to the first that fails. For each batch a line {"key", "answer"}
or {"key", "failed"} is printed as soon as it is known, and {"done": true} at the end.
"""

import http.client
import json
import ssl
import sys
import threading

context = ssl.create_default_context(cafile=sys.argv[1])
printing = threading.Lock()


def tell(line):
    with printing:
        print(json.dumps(line), flush=True)


def run(address, pushes):
    connection = http.client.HTTPSConnection(address, timeout=60, context=context)
    for push in pushes:
        headers = {
            "Authorization": f"Bearer {sys.argv[2]}",
            "Idempotency-Key": push["key"],
            "Content-Type": "application/x-ndjson",
        }
        try:
            connection.request("POST", "/v1/entries", push["body"], headers)
            reply = connection.getresponse()
            answer = reply.read().decode()
        except (OSError, http.client.HTTPException) as error:
            tell({"key": push["key"], "failed": repr(error)})
            return
        if reply.status != 200:
            tell({"key": push["key"], "failed": f"{reply.status} {answer}"})
            return
        tell({"key": push["key"], "answer": answer})


for line in sys.stdin:
    order = json.loads(line)
    clients = [threading.Thread(target=run, args=(order["address"], pushes)) for pushes in order["clients"]]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    tell({"done": True})
