"""Why a till is told no: every reason, with the English texts and what may be done."""

from __future__ import annotations

from app.domain.refusals import OVERRIDABLE, RETRYABLE, Reason
from app.words import DEFAULT, LANGUAGES
from tests.reference.markdown import code, paragraph, table


def page() -> str:
    rows = []
    texts = LANGUAGES[DEFAULT].refusals
    for reason in Reason:
        rows.append(
            (
                code(reason.value),
                getattr(texts.cashier, reason),
                getattr(texts.customer, reason),
                "yes" if reason in RETRYABLE else "no",
                "yes" if reason in OVERRIDABLE else "no",
            )
        )
    return "\n".join(
        [
            "# Refusals\n",
            paragraph(
                "This page lists every reason for which a till is told no: what the cashier and "
                "the customer read, and what may be done about it."
            ),
            paragraph(
                'A refusal is HTTP 200 with `"outcome": "refused"`. `reason` is its stable name '
                "for programs. `cashier_text` is the first text below, in the store's language. "
                "`customer_text` is the second, in the recipient's language where it is known, "
                "else in the store's; `customer_language` names it. Words in braces are filled "
                "with the `details` of the refusal. "
                "Any other status than 200 means that the request was not worked on; see "
                "[problems](problems.md)."
            ),
            paragraph(
                "*Again*: the same scan may get past later, or with another basket, an amount or a "
                "PIN. *Override*: a supervisor's key may set the refusal aside with `override`. No "
                "counter can be set aside."
            ),
            table(("reason", "the cashier reads", "the customer reads", "again", "override"), rows),
        ]
    )
