"""Every event, the body that a webhook is sent, and security events."""

from __future__ import annotations

import datetime as dt
import uuid
from types import SimpleNamespace

import orjson

from app.services import security, webhooks
from app.services.webhooks import bodies, signing
from tests.reference.markdown import code, fence, listed, paragraph, table

_AT = dt.datetime(2026, 11, 28, 10, 30, tzinfo=dt.UTC)
_ROW = SimpleNamespace(
    id=4711,
    kind="redeemed",
    at=_AT,
    number=5,
    reason=None,
    data={"discount_minor": 1000, "basket_minor": 5000},
    public_id=0x0123456789ABCDEF,
    occasion="basket-1001",
    variant="best",
    campaign="summer-20",
    campaign_kind="coupon",
    recipient="c-1001",
    store="paris",
    terminal="1",
    entry_id=uuid.UUID(int=0x00112233445566778899AABBCCDDEEFF),
    entry_kind="redemption",
    uses=1,
    amount_minor=0,
    currency="EUR",
    discount_minor=1000,
    balance_after_minor=0,
    receipt="2026-0117",
)
#: The members of a body, in its order.
_MEMBERS = {
    "specversion": "The version of CloudEvents.",
    "id": "Names the event for ever, however often it is sent: the voucher's serial and the "
    "event's number.",
    "source": "The service's public address, `PASSERELLE_BASE_URL`.",
    "type": "`passerelle.voucher.` and the kind.",
    "time": "When it happened, in UTC.",
    "datacontenttype": "Always JSON.",
    "subject": "The voucher's serial. An event without a voucher, such as a refusal of an unknown "
    "code, has none.",
    "sequence": "The event's number, in ten digits, so that texts sort like numbers.",
    "data.kind": "The kind of event, one of the list above.",
    "data.number": "The event's number. Those of one voucher count from 1 without a gap.",
    "data.campaign": "The campaign's key.",
    "data.campaign_kind": "`coupon` or `gift_card`.",
    "data.recipient": "Your own id of the recipient; null where the voucher has none, or the "
    "recipient was forgotten.",
    "data.occasion": "Why the recipient got the voucher.",
    "data.variant": "Which value the rules gave: the tier, the variant, or both.",
    "data.store": "The key of the store where it happened.",
    "data.terminal": "The key of the terminal.",
    "data.reason": "The reason of a [refusal](refusals.md), or what a person gave as the reason.",
    "data.entry": "The ledger's entry, where the event booked one; else null.",
    "data.entry.id": "Names the entry; of a redemption it is the `redemption_id`.",
    "data.entry.kind": "What the entry says happened, such as `redemption` or `refund`.",
    "data.entry.uses": "Uses that were taken; negative where they were given back.",
    "data.entry.amount_minor": "What the balance of a gift card changed by, in minor units.",
    "data.entry.discount_minor": "What the coupon took off, in minor units.",
    "data.entry.balance_after_minor": "The balance afterwards, in minor units.",
    "data.entry.currency": "The currency of the amounts.",
    "data.entry.receipt": "The receipt's number, as the till sent it.",
    "data.details": "What else is known of the event; the list above says what.",
}


def page() -> str:
    body = orjson.loads(bodies.body(_ROW, source="https://pass.example.com"))
    headers = signing.sign([b"secret"], message_id=body["id"], at=_AT, body=b"")
    if set(_names(body)) ^ {each for each in _MEMBERS if not each.startswith("data.details.")}:
        raise LookupError(f"Members differ: {set(_names(body)) ^ set(_MEMBERS)}")
    waits = listed([_wait(each) for each in webhooks.SCHEDULE])
    return "\n".join(
        [
            "# Events\n",
            paragraph(
                "This page lists every event of a voucher, the body that webhooks are sent, and "
                "the security events."
            ),
            "## Kinds\n",
            paragraph(
                "`kinds` of a webhook names those that it wants; none named is every kind. A name "
                "never changes its meaning. Amounts in `details` are in minor units."
            ),
            table(
                ("kind", "what happened"),
                [(code(each.value), each.meaning) for each in webhooks.WebhookEventKind],
            ),
            "## The body\n",
            paragraph(
                "A webhook gets a POST for each event: CloudEvents 1.0 as JSON "
                f"(`{webhooks.MEDIA_TYPE}`). It holds no code, no PIN and no token. Its receiver "
                "ignores members that it does not know: more may come."
            ),
            fence(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode(), "json"),
            table(("member", "meaning"), [(code(name), _MEMBERS[name]) for name in _names(body)]),
            "## Signature\n",
            paragraph(
                f"The headers {listed([code(each) for each in headers])} are those of Standard "
                "Webhooks: HMAC-SHA256 with the webhook's secret, base64 after `whsec_`, over "
                "`{id}.{timestamp}.{body}`. While a secret is being rotated, two signatures stand "
                "in the header, separated by a space; one that fits is enough."
            ),
            "## Order and repetition\n",
            paragraph(
                "Events of one voucher come in their order, each at least once, with the same `id` "
                "however often. Any answer of 200 to 299 within 15 seconds counts as taken. Else "
                f"the event is tried again after {waits}; then it is kept for "
                "`passerelle webhooks replay`. An answer of 410 says that the receiver is gone: "
                "the webhook is disabled."
            ),
            "## Security events\n",
            paragraph(
                "What bears on security is kept apart: `passerelle security-events` and "
                "`GET /api/v1/security-events` list it. An event says when, what, by which key, "
                "terminal, operator or command, from which address, to what, why and how many. It "
                "holds no code, PIN, link or secret."
            ),
            table(
                ("kind", "what happened"),
                [(code(each.value), each.meaning) for each in security.SecurityEventKind],
            ),
        ]
    )


def _names(value: dict[str, object], within: str = "") -> list[str]:
    """The members of a body, those of tables after the table; details are the kind's own."""
    found = []
    for name, each in value.items():
        place = f"{within}{name}"
        if place != "data":
            found.append(place)
        if isinstance(each, dict) and place != "data.details":
            found += _names(each, f"{place}.")
    return found


def _wait(wait: dt.timedelta) -> str:
    seconds = int(wait.total_seconds())
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
