"""Every problem that the API answers."""

from __future__ import annotations

import orjson

from app.web.problem_codes import PROBLEMS, ProblemCode
from app.web.problems import example_of
from tests.reference.markdown import code, fence, paragraph, table


def page() -> str:
    example = orjson.dumps(
        example_of(ProblemCode.IDEMPOTENCY_KEY_REQUIRED), option=orjson.OPT_INDENT_2
    )
    return "\n".join(
        [
            "# Problems\n",
            paragraph(
                "This page lists every problem of the API: its code, its HTTP status, what "
                "happened and what to do."
            ),
            paragraph(
                "An error is `application/problem+json` (RFC 9457). Programs go by `code`, which "
                "never changes its meaning; `detail` is the cause and `remedy` what to do, often "
                "more exactly than below. `request_id` is in the service's log, too. `errors` "
                "lists faulty members with their places. `Retry-After` says when to come back. "
                "What a till is refused for is no problem but an answer: see "
                "[refusals](refusals.md). Which operation answers which problem stands in "
                "`/openapi.json`."
            ),
            fence(example.decode(), "json"),
            table(
                ("code", "status", "what happened", "what to do"),
                [
                    (code(each.value), str(each.status), each.cause, each.remedy)
                    for each in sorted(PROBLEMS, key=lambda each: each.value)
                ],
            ),
        ]
    )
