"""Sends a text over TLS and nothing more; prints what comes until the server ends the connection."""

import socket
import ssl
import sys

host, port = sys.argv[1].rsplit(":", 1)
context = ssl.create_default_context(cafile=sys.argv[2])
with context.wrap_socket(socket.create_connection((host, int(port)), timeout=20), server_hostname=host) as tls:
    tls.sendall(sys.argv[3].encode())
    try:
        while octets := tls.recv(65536):
            print(octets.decode(), end="")
    except ssl.SSLEOFError:
        pass
