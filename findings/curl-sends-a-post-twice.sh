#!/usr/bin/env bash
# curl sends a POST again by itself when a kept connection closes before the answer begins. RFC 9110
# §9.2.2 lets a client repeat by itself only what is idempotent, or what it knows was not carried out;
# `requests` on the same connection reports the loss and leaves the decision to its caller.
#
# It touches webhooks and calls to wallets: a receiver that carried a call out and then closed hears
# it twice, and whoever counts attempts counts one. We let curl repeat nothing that has a body, and
# repeat under the same id where we decide to.
# Prints how often each client's second POST reached the server; fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pycurl==7.45.7 requests==2.32.5
cat > "$folder/posts.py" <<'PY'
import io
import socket
import threading

import pycurl
import requests


class Receiver:
    """Answers a connection's first request, carries the second one out and closes without a word."""

    def __init__(self):
        self.seen = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        first = True
        while True:
            connection, _ = self.listener.accept()
            with connection:
                self.answer(connection, self.take(connection))
                if first:
                    first = False
                    self.take(connection)

    def take(self, connection):
        data = b""
        while not data.endswith(b"END"):
            more = connection.recv(4096)
            if not more:
                return data
            data += more
        self.seen.append(data.rpartition(b"\r\n\r\n")[2])
        return data

    def answer(self, connection, _data):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def with_curl(url):
    handle = pycurl.Curl()
    for body in ("one END", "two END"):
        out = io.BytesIO()
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.WRITEFUNCTION, out.write)
        handle.perform()
    return "no error"


def with_requests(url):
    with requests.Session() as session:
        session.post(url, data="one END", timeout=10).content
        try:
            session.post(url, data="two END", timeout=10)
        except requests.ConnectionError:
            return "ConnectionError"
    return "no error"


for name, client in (("curl", with_curl), ("requests", with_requests)):
    receiver = Receiver()
    said = client(receiver.url)
    print(f"{name}: the second POST arrived {receiver.seen.count(b'two END')} times, {said}")
print(pycurl.version.split()[1])
PY
said=$("$folder/venv/bin/python" "$folder/posts.py")
echo "$said"
grep -q "^curl: the second POST arrived 2 times, no error" <<<"$said" || { echo "It has changed." >&2; exit 1; }
grep -q "^requests: the second POST arrived 1 times, ConnectionError" <<<"$said" || { echo "It has changed." >&2; exit 1; }
