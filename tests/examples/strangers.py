"""strangers.py FETCH CASE: runs fetch against servers that are not ours: Python's http.server, nginx, and one
without manners. Loopback only, free ports, everything in a scratch folder; whatever is started ends with this."""

import functools
import http.server
import os
import pty
import random
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.parse

FETCH = sys.argv[1]
FILES = 1200
BIG = 50 << 20


def check(condition, *what):
    if not condition:
        sys.exit("strangers.py: " + " ".join(str(w) for w in what))


def run(*arguments):
    """Status, stdout, lines of stderr."""
    done = subprocess.run([FETCH, *arguments], capture_output=True, text=True, timeout=50)
    print(done.stdout, done.stderr, sep="")
    return done.returncode, done.stdout, done.stderr.splitlines()


def make_tree(root):
    """Files of all sizes in folders of folders, some with names that a URL must write otherwise."""
    paths = []
    for i in range(FILES):
        name = f"file {i} (50%).html" if i % 100 == 0 else f"ünï+{i}.bin" if i % 100 == 1 else f"{i}.html"
        path = os.path.join(f"{i % 7}", *(f"sub{j}" for j in range(i % 4)), name)
        os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
        size = random.choice((0, 1, 100, 4096, 16384, 16385, 70000)) if i else 3000000
        with open(os.path.join(root, path), "wb") as f:
            f.write(random.randbytes(size))
        paths.append(path)
    return paths


def urls(port, paths, scheme="http"):
    return [f"{scheme}://127.0.0.1:{port}/{urllib.parse.quote(p)}" for p in paths]


def check_same(tree, out, paths):
    for path in paths:
        with open(os.path.join(tree, path), "rb") as a, open(os.path.join(out, path), "rb") as b:
            check(a.read() == b.read(), path, "differs")
    files = sum(len(names) for _, _, names in os.walk(out))
    check(files == len(paths) + 1, files, "files stored") # and db.txt


def serve(handler, tls=None):
    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request, client_address):
            pass # clients that go away

    server = Server(("127.0.0.1", 0), handler)
    if tls is not None: # each connection shakes hands in its own thread
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


class Quiet(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True # it sends head and body one after the other

    def log_message(self, *_):
        pass


def fetch_tree(scratch, port, tree, paths, kind, scheme="http"):
    out = os.path.join(scratch, "out")
    status, _, errors = run("--kind", kind, "--out", out, *urls(port, paths, scheme))
    check(status == 0 and not errors, "status", status)
    check_same(tree, out, paths)


def python_server(scratch, kind):
    tree = os.path.join(scratch, "tree")
    paths = make_tree(tree)
    port = serve(functools.partial(Quiet, directory=tree))
    fetch_tree(scratch, port, tree, paths, kind)


def python_coroutine(scratch):
    python_server(scratch, "coroutine")


def python_thread(scratch):
    python_server(scratch, "thread")


def https(scratch):
    """Whoever signed the server's certificate is trusted if CURL_CA_BUNDLE says so, and else not."""
    if shutil.which("openssl") is None:
        print("SKIP: no openssl")
        sys.exit(77)
    certificate, key = os.path.join(scratch, "certificate"), os.path.join(scratch, "key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", "/CN=here", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    tree = os.path.join(scratch, "tree")
    paths = make_tree(tree)
    port = serve(functools.partial(Quiet, directory=tree), tls)
    url = urls(port, paths[:1], "https")[0]
    status, _, errors = run("--out", os.path.join(scratch, "refused"), url)
    check(status == 1 and len(errors) == 1 and "certificate" in errors[0], "status", status, errors)
    os.environ["CURL_CA_BUNDLE"] = certificate
    fetch_tree(scratch, port, tree, paths, "coroutine", "https")


NGINX = """
daemon off;
worker_processes 1;
pid {0}/pid;
error_log {0}/error.log;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d;
    scgi_temp_path {0}/e;
    server {{ listen 127.0.0.1:{1}; root {0}/tree; }}
}}
"""


def nginx(scratch):
    program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        print("SKIP: no nginx")
        sys.exit(77)
    os.chmod(scratch, 0o755) # its worker is another user when this is root
    tree = os.path.join(scratch, "tree")
    paths = make_tree(tree)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as s: # which nginx inherits: nobody else can get the port
        port = s.getsockname()[1]
        with open(os.path.join(scratch, "conf"), "w") as f:
            f.write(NGINX.format(scratch, port))
        server = subprocess.Popen([program, "-c", os.path.join(scratch, "conf"), "-e", os.path.join(scratch, "error.log")],
                                  env={**os.environ, "NGINX": f"{s.fileno()};"}, pass_fds=[s.fileno()])
    try:
        fetch_tree(scratch, port, tree, paths, "coroutine")
    finally:
        server.terminate()
        server.wait()


class Rude(Quiet):
    """Answers as the path says, and breaks off where others go on."""

    def answer(self, length, body):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def cut(self):
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)
        self.close_connection = True

    def do_GET(self):
        if self.path.startswith("/good"):
            self.answer(20, b"<a href=x>two as</a>")
        elif self.path == "/cut":
            self.answer(100000, b"x" * 30000)
            self.cut()
        elif self.path == "/silent":
            self.cut()
        elif self.path == "/noise":
            self.wfile.write(b"\0\1\2 what?\r\n\r\n" * 10)
            self.cut()
        elif self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/big":
            self.answer(BIG, b"")
            for i in range(BIG >> 16):
                self.wfile.write(bytes([i % 251]) * (1 << 16))
        elif self.path == "/error":
            self.send_error(500)
        else:
            self.send_error(404)


def failures(scratch):
    port = serve(Rude)
    with socket.socket() as s: # a port that nobody listens on, and nobody else gets while we hold it
        s.bind(("127.0.0.1", 0))
        free = s.getsockname()[1]
        here = f"http://127.0.0.1:{port}"
        expected = {
            "nonsense": "bad URL",
            "ftp://127.0.0.1/x": "bad URL",
            "http:///x": "bad URL",
            "http://127.0.0.1:99999/": "bad URL",
            f"http://127.0.0.1:{free}/": "[Rr]efused",
            f"{here}/missing": "404",
            f"{here}/error": "500",
            f"{here}/cut": "cut after 30000 of 100000",
            f"{here}/silent": "cut",
            f"{here}/noise": "HTTP/0.9",
            f"{here}/loop": "redirect",
            f"https://127.0.0.1:{port}/good": "SSL|TLS",
        }
        good = [f"{here}/good{i}" for i in range(30)]
        mixed = [*expected, *good]
        random.shuffle(mixed)
        for kind in ("coroutine", "thread"):
            out = os.path.join(scratch, kind)
            status, table, errors = run("--kind", kind, "--out", out, *mixed)
            check(status == 1, "status", status)
            check(len(errors) == len(expected), len(errors), "lines of errors")
            for url, why in expected.items():
                lines = [e for e in errors if e.startswith(f"fetch: {url}: ")]
                check(len(lines) == 1 and re.search(why, lines[0][len(url):]), url, lines)
            check(re.search(r"^pages +30$", table, re.M) and re.search(r"^failed +12$", table, re.M), "table")
            # Several hosts, a directory for each; nothing is left of pages that are not whole.
            stored = sorted(os.path.relpath(os.path.join(where, name), out)
                            for where, _, names in os.walk(out) for name in names)
            check(stored == sorted(["db.txt"] + [f"127.0.0.1:{port}/good{i}" for i in range(30)]), stored)


def unwritable(scratch):
    port = serve(Rude)
    file = os.path.join(scratch, "file")
    open(file, "w").close()
    os.chdir(scratch)
    pages = [f"http://127.0.0.1:{port}/good{i}" for i in range(5)]
    status, table, errors = run("--out", os.path.join(file, "below"), *pages)
    check(status == 1 and len(errors) == 1 and "below" in errors[0], "status", status, errors)
    check(re.search(r"^pages +5$", table, re.M), "the pages were not fetched")
    # One page whose place is taken: the others go on.
    os.makedirs(os.path.join(scratch, "out", "good2", "full"))
    status, table, errors = run("--out", "out", *pages)
    check(status == 1 and len(errors) == 1 and "good2" in errors[0], "status", status, errors)
    check(re.search(r"^pages +4$", table, re.M), "the others did not go on")
    check(sorted(os.listdir("out")) == ["db.txt", "good0", "good1", "good2", "good3", "good4"], os.listdir("out"))


def big(scratch):
    port = serve(Rude)
    status, table, errors = run("--out", scratch, f"http://127.0.0.1:{port}/big")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    check(status == 0, "status", status, errors)
    with open(os.path.join(scratch, "big"), "rb") as f:
        for i in range(BIG >> 16):
            check(f.read(1 << 16) == bytes([i % 251]) * (1 << 16), "differs in piece", i)
        check(f.read() == b"", "too long")
    print(f"peak: {peak} KiB")
    check(peak < 32 << 10, "held in memory:", peak, "KiB")


def terminal(scratch):
    os.chdir(scratch)
    ours, theirs = pty.openpty()
    child = subprocess.Popen([FETCH, "--pages", "60", "--workers", "10"], stdout=theirs)
    os.close(theirs)
    text = b""
    try:
        while piece := os.read(ours, 4096):
            text += piece
    except OSError: # how a terminal says that nobody writes any more
        pass
    check(child.wait() == 0, "status", child.returncode)
    check(re.search(rb"\r\[#+ *\] \d+ of 60 pages", text), text)
    check(re.search(rb"\r\x1b\[Kpages +60\r\n", text), text)


class Echo(Quiet):
    """The page is its own address."""

    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def names(scratch):
    """No address gets a file outside the directory, and different addresses get different files."""
    ports = serve(Echo), serve(Echo)
    expected = {
        "": "index.html",
        "/a/": "a/index.html",
        "/b?x=1/2": "b?x=1_2",
        "/c%2F..%2Fd": "c%2F..%2Fd",
        "/%2e%2e/%2e%2e/e": None, # libcurl takes the dots away
        "/f%00g%0a": "f%00g%0a",
        "/h//i": "h/i",
        "/j#part": "j",
        "/db.txt": "db.txt_",
    }
    out = os.path.join(scratch, "in", "out")
    status, _, errors = run("--out", out, *(f"http://127.0.0.1:{ports[0]}{path}" for path in expected))
    check(status == 0, "status", status, errors)
    found = {os.path.relpath(os.path.join(where, name), out) for where, _, names in os.walk(out) for name in names}
    check(found >= {name for name in expected.values() if name}, sorted(found))
    with open(os.path.join(out, "db.txt")) as f:
        check(len(f.readlines()) == len(expected), "db.txt is not whole")
    check(os.listdir(scratch) == ["in"] and os.listdir(os.path.join(scratch, "in")) == ["out"], "outside")
    # Two hosts: a directory for each.
    out = os.path.join(scratch, "two")
    status, _, errors = run("--out", out, *(f"http://127.0.0.1:{port}/same" for port in ports))
    check(status == 0, "status", status, errors)
    check(sorted(os.listdir(out)) == sorted(["db.txt"] + [f"127.0.0.1:{port}" for port in ports]), os.listdir(out))


with tempfile.TemporaryDirectory() as folder:
    random.seed(1)
    globals()[sys.argv[2]](folder)
