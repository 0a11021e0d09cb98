"""Messages: a template and recipients, and each recipient's own text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

import orjson
from flask import Response
from pydantic import BaseModel, Field, StringConstraints

from app.services import mailings
from app.services.access import Scope
from app.services.mailings import About, Rendered
from app.services.permissions import Reach
from app.web import access, deployment
from app.web.answers import NDJSON, streamed
from app.web.description import content, example, fails_with
from app.web.fields import Facts, Name, Occasion
from app.web.marketing.door import Body, part
from app.web.marketing.recipients import RecipientBody
from app.web.problem_codes import ProblemCode

MOST_RECIPIENTS = 100_000


class AddresseeBody(RecipientBody):
    """A recipient of a mailing, and what it is about."""

    model_config = example(
        external_id="customer-4711",
        language="fr",
    )

    occasion: Occasion = Field(
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

    model_config = example(
        message_id="newsletter-june",
        template='<p>Hello!</p><p><a href="{{ wallet_link("summer") }}">Your coupon</a></p>',
        format="html",
        preview=False,
        recipients=[{"external_id": "customer-4711", "language": "fr"}],
    )

    message_id: Name = Field(description="Your own id of the mailing; it never mints twice")
    template: Annotated[str, StringConstraints(max_length=mailings.LONGEST_TEMPLATE)] = Field(
        description='The text with its functions, such as `{{ wallet_link("summer") }}`'
    )
    format: Literal["text", "html"] = Field(
        "html", description="html: what is put into the text is escaped; text: it is not"
    )
    preview: bool = Field(False, description="Sample values; nothing is issued")
    recipients: Annotated[list[AddresseeBody], Field(min_length=1, max_length=MOST_RECIPIENTS)] = (
        Field(description="One entry for each person")
    )


class RenderedLine(BaseModel):
    """One recipient's text, or why there is none."""

    model_config = example(
        external_id="customer-4711",
        text='<p>Hello!</p><p><a href="https://pass.example.com/p/AEB…">Your coupon</a></p>',
    )

    external_id: str = Field(description="Your own id of the person")
    text: str = Field("", description="The text; absent where there is a fault")
    not_given: dict[str, str] = Field(
        {},
        description="By campaign, why its rules give this recipient nothing, so that its functions "
        "are empty; absent where all gave",
    )
    fault: str = Field("", description="Why this recipient has no text; absent where there is one")


blueprint = part("messages", "A mailing's text for each recipient")


@blueprint.post(
    "/messages/render",
    responses={200: content({NDJSON: RenderedLine}, "Each line is such an object")},
)
@access.requires(Scope.ISSUE, reach=Reach.CAMPAIGNS)
@fails_with(
    ProblemCode.CAMPAIGN_KEY_REFUSED, ProblemCode.CAMPAIGN_UNKNOWN, ProblemCode.TEMPLATE_FAULTY
)
def render_messages(body: MessageBody) -> Response:
    """Render a mailing: one JSON object a line, in the order of the recipients.

    For marketing clouds that send the mail themselves: up to 100,000 recipients in one request.
    Vouchers that the template asks for are issued, each once for its recipient and occasion, so
    that a request may be repeated; with `preview` nothing is issued.

    Lines come as they are ready: `{"external_id": …, "text": …}`, or `"fault"` instead of a text.
    Where a campaign's rules give a recipient nothing, its functions are empty in the text, and
    `"not_given": {"campaign": "why"}` says so. Whose birthday is not due gets a fault, unless the
    template asks (`{% if wallet_link("birthday-card") %}`).
    """
    house = deployment()
    client = access.client()
    message = mailings.read(body.message_id, body.template, is_html=body.format == "html")
    mailings.check(house, message, client.campaigns)
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
