"""Messages: a template and recipients, and each recipient's own text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import orjson
from flask import Response
from pydantic import Field, StringConstraints

from app.services import mailings
from app.services.access import Scope
from app.services.mailings import (
    About,
    MessageFault,
    Rendered,
)
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.answers import NDJSON, streamed
from app.web.fields import Facts, Name
from app.web.marketing.door import Body, blueprint
from app.web.marketing.vouchers import RecipientBody
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

MOST_RECIPIENTS = 100_000


class AddresseeBody(RecipientBody):
    """A recipient of a mailing, and what it is about."""

    occasion: Annotated[str, StringConstraints(max_length=200)] = Field(
        "",
        description="What the mail is about, as it was decided: a basket's number. Left out, it is "
        "the `message_id`. A campaign for birthdays says it itself",
    )
    facts: Facts = Field(
        {}, description="For campaigns that decide by rules; `basket`, `lifetime` in minor units"
    )

    def about(self) -> About:
        return About(occasion=self.occasion, facts=self.facts)


class MessageBody(Body):
    """A mailing: its template and its recipients."""

    message_id: Name = Field(description="Your own id of the mailing; it never mints twice")
    template: Annotated[str, StringConstraints(max_length=mailings.LONGEST_TEMPLATE)]
    format: Literal["text", "html"] = "html"
    preview: bool = Field(False, description="Sample values; nothing is issued")
    recipients: Annotated[list[AddresseeBody], Field(min_length=1, max_length=MOST_RECIPIENTS)]


@blueprint.post("/messages/render")
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
def render_messages(body: MessageBody) -> Response:
    """Render a mailing: one JSON object a line, in the order of the recipients.

    Lines come as they are ready: `{"external_id": …, "text": …}`, or `"fault"` instead of a text.
    Where a campaign's rules give a recipient nothing, its functions are empty in the text, and
    `"not_given": {"campaign": "why"}` says so. Whose birthday is not due gets a fault, unless the
    template asks (`{% if wallet_link("birthday-card") %}`).
    """
    house = deployment()
    client = access.client()
    try:
        message = mailings.read(body.message_id, body.template, is_html=body.format == "html")
        mailings.check(house, message, client.campaigns)
    except MessageFault as fault:
        raise Problem(
            ProblemCode.TEMPLATE_FAULTY, cause=str(fault), remedy="Mend the template."
        ) from None
    for key in message.campaigns:
        access.giving(key)
    people = [item.person() for item in body.recipients]
    about = {item.external_id: item.about() for item in body.recipients}
    make = mailings.preview if body.preview else mailings.render
    rendered = make(house, message, people, about)
    return streamed(_lines(rendered), mimetype=NDJSON)


def _lines(rendered: Iterable[Rendered]) -> Iterator[bytes]:
    for item in rendered:
        line: dict[str, Any] = {"external_id": item.external_id}
        if item.fault is None:
            line["text"] = item.text
            if item.not_given:
                line["not_given"] = dict(item.not_given)
        else:
            line["fault"] = item.fault
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
