"""Answers that are written while they are sent, and what ends one that breaks.

A status line cannot be taken back. So the beginning is made before it goes out: what fails there,
and all that fails in a short answer, is a problem like any other. What fails later is logged, its
last line says so in the answer's own form, and the connection is not ended as after a whole
answer where the server allows that.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import orjson
import structlog
from flask import Response, g, request

from app.store.session import Unavailable

#: Bytes that are made before the status is sent, and sent together from then on.
PIECE = 16_384

NDJSON = "application/x-ndjson"
CSV = "text/csv"


def as_json(value: Any) -> bytes:
    """Write a value as JSON, whatever earlier releases let in.

    Integers beyond 64 bits and halves of surrogate pairs are not admitted any more; what was
    stored before must still be told to whom it belongs.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=True).encode()


def streamed(lines: Iterable[bytes], *, mimetype: str) -> Response:
    """Answer with lines as they are made; nobody keeps the answer.

    Args:
        lines: whole lines with their ends.
        mimetype: `NDJSON` or `CSV`; decides how the last line of a broken answer looks.

    Raises:
        Exception: what `lines` raises before its first `PIECE` bytes.
    """
    pieces = _pieces(lines)
    first = next(pieces, b"")
    told = {
        "request_id": g.get("request_id"),
        "route": request.url_rule.rule if request.url_rule is not None else "unknown",
    }
    answer = Response(_watched(first, pieces, _LAST_LINES[mimetype], told), mimetype=mimetype)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    gathered = bytearray()
    for line in lines:
        gathered += line
        if len(gathered) >= PIECE:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _watched(
    first: bytes,
    rest: Iterator[bytes],
    last_line: Callable[[dict[str, Any]], bytes],
    told: dict[str, Any],
) -> Iterator[bytes]:
    try:
        yield from chain((first,), rest)
    except Exception as error:
        structlog.get_logger().error("answer_broken", exc_info=error, **told)
        passing = isinstance(error, Unavailable)
        yield last_line(
            {
                "code": "unavailable" if passing else "fault",
                "detail": "The answer broke off here: what follows is missing.",
                "remedy": "Ask again; if it stays, tell the operator the request_id.",
                "request_id": told["request_id"],
            }
        )
        raise


def _json_line(problem: dict[str, Any]) -> bytes:
    return orjson.dumps({"problem": problem}, option=orjson.OPT_APPEND_NEWLINE)


def _csv_line(problem: dict[str, Any]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(["#problem", *problem.values()])
    return line.getvalue().encode()


_LAST_LINES = {NDJSON: _json_line, CSV: _csv_line}
