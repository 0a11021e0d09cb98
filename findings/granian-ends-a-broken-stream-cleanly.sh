#!/usr/bin/env bash
# Granian, serving WSGI: an answer whose iterator raises in the middle reaches the client as a whole
# one. One would expect the transfer to break off (no last chunk), as RFC 9112 §8 has a server say
# that a message is incomplete, and as gunicorn does in the same situation; a client of Granian sees
# a proper end and cannot tell a third of an export from all of it.
#
# It touches whoever exports through it: our own server makes an answer whole before it sends it, and
# where another one streams it, its last line says what went wrong.
# Prints what both servers did; fails if that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check granian==2.8.7 gunicorn==23.0.0
cat > "$folder/broken.py" <<'PY'
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one\n"
    yield b"two\n"
    raise RuntimeError("the third line cannot be made")
PY
cat > "$folder/ask.py" <<'PY'
import http.client
import sys
import time

port = int(sys.argv[1])
for _ in range(100):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        answer = connection.getresponse()
        break
    except OSError:
        time.sleep(0.1)
try:
    body = answer.read()
    print(f"whole: {answer.status} {body!r}")
except http.client.IncompleteRead as cut:
    print(f"broken off: {answer.status} {cut.partial!r}")
PY
cd "$folder"
port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
first=$(port) second=$(port)
"$folder/venv/bin/granian" --interface wsgi --host 127.0.0.1 --port "$first" broken:application >granian.log 2>&1 &
"$folder/venv/bin/gunicorn" --bind "127.0.0.1:$second" --worker-class gthread broken:application >gunicorn.log 2>&1 &
granian=$(python3 ask.py "$first")
gunicorn=$(python3 ask.py "$second")
echo "granian 2.8.7:    $granian"
echo "gunicorn 23.0.0:  $gunicorn"
case "$granian" in "whole: 200"*) ;; *) echo "It has changed." >&2; exit 1 ;; esac
case "$gunicorn" in "broken off: 200"*) ;; *) echo "It has changed." >&2; exit 1 ;; esac
