# A web server for mirrors: Python's own, with what a test tells it to do wrong.
#
#   web.py FOLDER LOG [plain | store]
#
# It prints the port, and appends a line of JSON to LOG for each request. With `plain` it is Python's file
# server as it is: no ranges, no ETag. Otherwise it has both, and FOLDER/.rules.json is asked at each request
# for what it shall do with a path: {"/a.crl": {"cut": OCTETS}} ends the connection after so many octets of a
# whole answer.
import hashlib, json, os, sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

folder, log, plain = sys.argv[1], sys.argv[2], "plain" in sys.argv[3:]
store = "store" in sys.argv[3:]


METADATA = {}


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, *arguments):
        super().__init__(*arguments, directory=folder)

    def log_message(self, *_):
        pass

    def note(self, status):
        line = {"method": self.command, "path": self.path, "status": status}
        line["headers"] = {name.lower(): value for name, value in self.headers.items()}
        with open(log, "a") as file:
            file.write(json.dumps(line) + "\n")

    def send_response(self, code, message=None):
        self.note(code)
        super().send_response(code, message)

    def rule(self):
        try:
            return json.load(open(os.path.join(folder, ".rules.json"))).get(self.path, {})
        except FileNotFoundError:
            return {}

    def do_PURGE(self):
        self.answer(200, b"")

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not store:
            return self.answer(405, b"")
        path = folder + unquote(self.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").write(body)
        names = [name for name in self.headers if name.lower().startswith("x-amz-meta-")]
        METADATA[self.path] = {name: self.headers[name] for name in names}
        self.answer(200, b"", ETag='"' + hashlib.sha256(body).hexdigest()[:16] + '"')

    def do_DELETE(self):
        os.remove(folder + unquote(self.path))
        self.answer(204, b"")

    def do_HEAD(self):
        try:
            body = open(folder + unquote(self.path), "rb").read()
        except OSError:
            return self.answer(404, b"")
        self.send_response(200)
        for name, value in METADATA.get(self.path, {}).items():
            self.send_header(name, value)
        self.send_header("ETag", '"' + hashlib.sha256(body).hexdigest()[:16] + '"')
        self.send_header("Last-Modified", self.date_time_string())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if plain:
            return super().do_GET()
        try:
            body = open(folder + unquote(self.path), "rb").read()
        except OSError:
            return self.answer(404, b"")
        etag = '"' + hashlib.sha256(body).hexdigest()[:16] + '"'
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.send_header("ETag", etag)
            return self.end_headers()
        ranged = self.headers.get("Range")
        if ranged and self.headers.get("If-Range") == etag:
            first = int(ranged.removeprefix("bytes=").removesuffix("-"))
            if first >= len(body):
                return self.answer(416, b"", Content_Range=f"bytes */{len(body)}")
            part = f"bytes {first}-{len(body) - 1}/{len(body)}"
            return self.answer(206, body[first:], ETag=etag, Content_Range=part)
        cut = self.rule().get("cut")
        if cut is not None:
            self.send_response(200)
            self.send_header("ETag", etag)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])
            self.close_connection = True
            return
        self.answer(200, body, ETag=etag)


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
