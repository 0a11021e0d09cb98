"""The marketers' systems' door: `/api/v1` campaigns, pictures, imports, vouchers and messages.

Keys need the scope that each part names, and a key that is bound to campaigns touches no other:
an unknown campaign and a forbidden one get the same answer. What is issued is idempotent by
recipient, campaign and occasion, so that no request needs an Idempotency-Key. Files of codes are
read as they arrive and are never stored in clear.
"""

from __future__ import annotations

import datetime as dt
import re
import threading
import uuid
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, BinaryIO, Literal, cast

import orjson
import structlog
from flask import Response, request
from flask_openapi3 import APIBlueprint, OpenAPI, Tag
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from app.domain import codes
from app.services import campaigns, importing, inviting, issuing, links, messages
from app.services.access import Scope
from app.services.campaigns import CampaignFault, pictures
from app.services.deployment import Deployment
from app.services.importing import ImportFault, Standing
from app.services.inviting import Invitation, InvitationFault
from app.services.issuing import IssueFault, Outcome, Person, Wanted
from app.services.messages import MessageFault, Rendered
from app.web import access, deployment
from app.web.problems import FaultyMember, Problem, ProblemBody

blueprint = APIBlueprint(
    "marketing",
    __name__,
    url_prefix="/api/v1",
    abp_tags=[Tag(name="Marketing", description="Campaigns, codes, vouchers and messages")],
    abp_security=access.SECURITY,
    abp_responses=dict.fromkeys(("401", "403", "404", "422", "503"), ProblemBody),
)

#: Bytes of a request, where it is more than an ordinary one.
LARGEST_PICTURE = 10_000_000
LARGEST_FILE = 16 * 1024**3
LARGEST_BATCH = 64 * 1024**2
MOST_RECIPIENTS = 100_000

#: Doors that take many recipients in one request.
_MANY = re.compile(r"/api/v1/(messages/render|vouchers|campaigns/[^/]+/invitations)")

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_Attribute = Annotated[str, StringConstraints(max_length=2_000)] | int | float | bool | None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class RecipientBody(_Body):
    """The person a voucher is for; what is left out stays as it is stored."""

    external_id: _Name = Field(description="Your own id of the person")
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    birth_date: dt.date | None = None
    segment: Annotated[str, StringConstraints(max_length=200)] | None = None
    score: Annotated[int, Field(ge=-(10**15), le=10**15)] | None = None
    attributes: Annotated[dict[str, _Attribute], Field(max_length=50)] = {}

    def person(self) -> Person:
        return Person(**self.model_dump())


class VoucherBody(_Body):
    """A voucher that should exist."""

    recipient: RecipientBody | None = Field(None, description="Left out: it belongs to nobody yet")
    occasion: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="Why; one voucher for each recipient and occasion"
    )
    variant: Annotated[str, StringConstraints(max_length=64)] | None = None
    sent_at: AwareDatetime | None = Field(
        None, description="When its message goes out, for validity counted from sending"
    )


class IssueBody(_Body):
    """Vouchers of one campaign."""

    campaign: _Name
    vouchers: Annotated[list[VoucherBody], Field(min_length=1, max_length=10_000)]


class IssuedBody(BaseModel):
    """A voucher, issued now or before."""

    serial: str
    external_id: str | None
    occasion: str
    wallet_link: str
    fresh: bool = Field(description="Whether this request issued it")


class IssueAnswer(BaseModel):
    """What was issued, in the order asked; the last `missing` got none."""

    vouchers: list[IssuedBody]
    missing: int = Field(description="Codes that are lacking")
    codes_left: int | None = Field(description="Set when the campaign's stock is low")


class InviteeBody(_Body):
    """Somebody who is invited; what is said of them is stored when they accept."""

    external_id: _Name = Field(description="Your own id of the person")
    language: str | None = Field(None, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    attributes: Annotated[dict[str, _Attribute], Field(max_length=50)] = {}


class InviteBody(_Body):
    """Whom an offer is for."""

    recipients: Annotated[list[InviteeBody], Field(min_length=1, max_length=10_000)]
    occasion: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="Why; one voucher for each recipient and occasion"
    )
    days: Annotated[int, Field(ge=1, le=3660)] = Field(
        30, description="Days after today through which the offer can be accepted"
    )


class InvitedBody(BaseModel):
    """A link to the offer, for one recipient."""

    external_id: str
    invitation_link: str


class InviteAnswer(BaseModel):
    """The invitations, in the order asked; nothing is issued before one is accepted."""

    invitations: list[InvitedBody]
    expires_at: dt.datetime


class WithdrawBody(_Body):
    """What to take back."""

    what: Literal["link", "voucher"] = Field(
        "link", description="The link alone, or the voucher with its pass"
    )
    reason: Annotated[str, StringConstraints(max_length=200)] | None = None


class AddresseeBody(RecipientBody):
    """A recipient of a mailing, and what it is about."""

    facts: Annotated[dict[str, str | int], Field(max_length=50)] = Field(
        {}, description="For campaigns that decide by rules; `basket`, `lifetime` in minor units"
    )

    def person(self) -> Person:
        return Person(**self.model_dump(exclude={"facts"}))


class MessageBody(_Body):
    """A mailing: its template and its recipients."""

    message_id: _Name = Field(description="Your own id of the mailing; it never mints twice")
    template: Annotated[str, StringConstraints(max_length=messages.LONGEST_TEMPLATE)]
    format: Literal["text", "html"] = "html"
    preview: bool = Field(False, description="Sample values; nothing is issued")
    recipients: Annotated[list[AddresseeBody], Field(min_length=1, max_length=MOST_RECIPIENTS)]


class ImportQuery(_Body):
    """Which campaign a file of codes is for, and how it is read."""

    campaign: _Name
    filename: Annotated[str, StringConstraints(max_length=200)] = "upload"
    column: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="Name or number of the column with the codes; guessed when left out"
    )


class ImportBody(BaseModel):
    """How far an import is."""

    id: str
    campaign: str
    status: str
    filename: str
    read: int
    accepted: int
    rejected: int
    reasons: dict[str, int]
    error: str | None
    known: bool = Field(description="The same file had been imported: nothing was added")


class ApplyQuery(_Body):
    """Whether to apply or only to show the difference."""

    dry_run: bool = False


class ChangeBody(BaseModel):
    """One value that differs."""

    at: str
    before: Any
    after: Any


class ApplyAnswer(BaseModel):
    """What applying a campaign changed, or would change."""

    key: str
    created: bool
    applied: bool
    changes: list[ChangeBody]
    revision: int | None
    version: int | None


class PictureAnswer(BaseModel):
    """The name under which `look` finds a picture."""

    sha256: str


class ImportPath(BaseModel):
    """An import's id."""

    import_id: uuid.UUID


class VoucherPath(BaseModel):
    """A voucher's serial."""

    serial: str


class CampaignPath(BaseModel):
    """A campaign's key."""

    key: str


class GenerateBody(_Body):
    """How many codes to make."""

    count: Annotated[int, Field(ge=1, le=1_000_000)]


@blueprint.post("/campaigns", responses={"200": ApplyAnswer})
@access.requires(Scope.CAMPAIGN)
def apply_campaign(query: ApplyQuery) -> Response:
    """Create or revise a campaign: the shape of the campaign file, as JSON; pictures by digest."""
    request.max_content_length = 1_000_000
    house = deployment()
    document = request.get_json(silent=True)
    if not isinstance(document, dict):
        raise Problem(
            422, "invalid_request", cause="The body is no object.", remedy="Send the campaign."
        )
    key = document.get("key")
    if isinstance(key, str):
        _touch(key)
    keyring = house.keyring
    stored = None
    try:
        draft = campaigns.read_document(document)
        with house.database.read() as session:
            tried = campaigns.try_out(session, draft, organization=house.settings.organization)
        with house.database.write() as session:
            plan = campaigns.plan(session, tried)
            if not query.dry_run:
                stored = campaigns.apply(
                    session, plan, keyring, now=house.now(), api_key_id=access.client().id
                )
    except CampaignFault as fault:
        raise Problem(
            422,
            "campaign_faulty",
            cause="The campaign cannot be applied.",
            remedy="Mend what `errors` names.",
            errors=[
                FaultyMember(at=item.at, cause=f"{item.cause} {item.remedy}")
                for item in fault.faults
            ],
        ) from None
    return _json(
        ApplyAnswer(
            key=draft.key,
            created=plan.creates,
            applied=stored is not None,
            changes=[ChangeBody(at=c.at, before=c.before, after=c.after) for c in plan.changes],
            revision=stored.revision if stored else None,
            version=stored.version if stored else None,
        )
    )


@blueprint.post("/pictures", responses={"201": PictureAnswer})
@access.requires(Scope.CAMPAIGN)
def add_picture() -> Response:
    """Store a logo or banner (PNG or JPEG, the request's body) for campaigns to name."""
    request.max_content_length = LARGEST_PICTURE
    house = deployment()
    data = request.get_data()
    if (cause := pictures.fault(data)) is not None:
        raise Problem(
            422,
            "picture_faulty",
            cause=f"The picture {cause}.",
            remedy="Send a PNG or JPEG as the body.",
        )
    with house.database.write() as session:
        digest = pictures.store(session, data, now=house.now())
    return _json(PictureAnswer(sha256=digest), status=201)


@blueprint.post("/imports", responses={"202": ImportBody})
@access.requires(Scope.ISSUE)
def import_codes(query: ImportQuery) -> Response:
    """Import codes: the file is the request's body, in any format that README names.

    The answer comes when the file has been read; loading goes on, and `GET` says how far it is.
    """
    request.max_content_length = LARGEST_FILE
    _touch(query.campaign)
    house = deployment()
    with _import_faults():
        standing = importing.receive(
            house,
            query.campaign,
            cast(BinaryIO, request.stream),
            filename=query.filename,
            column=query.column,
        )
    if standing.status == "loading":
        threading.Thread(
            target=_load, args=(house, standing.id), name="import", daemon=True
        ).start()
    answer = _json(_import(standing), status=202)
    answer.headers["Location"] = f"/api/v1/imports/{standing.id}"
    return answer


@blueprint.get("/imports", responses={"200": ImportBody})
@access.requires(Scope.ISSUE, Scope.REPORT)
def list_imports() -> Response:
    """List the newest imports of the campaigns that the key may touch."""
    found = importing.listed(deployment())
    may_touch = access.client().may_touch
    return _json([_import(item) for item in found if may_touch(item.campaign)])


@blueprint.get("/imports/<import_id>", responses={"200": ImportBody})
@access.requires(Scope.ISSUE, Scope.REPORT)
def show_import(path: ImportPath) -> Response:
    """Say how far an import is."""
    return _json(_import(_known_import(path.import_id)))


@blueprint.get("/imports/<import_id>/rejects")
@access.requires(Scope.ISSUE, Scope.REPORT)
def import_rejects(path: ImportPath) -> Response:
    """The refused rows as CSV: line, reason and its text."""
    _known_import(path.import_id)
    house = deployment()

    def lines() -> Iterator[str]:
        yield "line,reason,text\n"
        for line, reason, text in importing.rejects(house, path.import_id):
            yield f'{line},{reason},"{text}"\n'

    answer = Response(lines(), mimetype="text/csv")
    answer.headers["Cache-Control"] = "no-store"
    return answer


@blueprint.post("/imports/<import_id>/cancel", responses={"200": ImportBody})
@access.requires(Scope.ISSUE)
def cancel_import(path: ImportPath) -> Response:
    """Stop an import that is not complete, and take its codes away again."""
    _known_import(path.import_id)
    with _import_faults():
        return _json(_import(importing.cancel(deployment(), path.import_id)))


@blueprint.post("/campaigns/<key>/codes", responses={"200": ImportBody})
@access.requires(Scope.ISSUE)
def generate_codes(path: CampaignPath, body: GenerateBody) -> Response:
    """Generate codes by the campaign's pattern."""
    _touch(path.key)
    with _import_faults():
        return _json(_import(importing.generate(deployment(), path.key, body.count)))


@blueprint.post("/vouchers", responses={"200": IssueAnswer})
@access.requires(Scope.ISSUE)
def issue_vouchers(body: IssueBody) -> Response:
    """Issue vouchers, each once for its recipient, campaign and occasion."""
    _touch(body.campaign)
    house = deployment()
    wanted = [
        Wanted(
            person=item.recipient.person() if item.recipient else None,
            occasion=item.occasion,
            variant=item.variant,
            sent_at=item.sent_at,
        )
        for item in body.vouchers
    ]
    outcome = Outcome()
    try:
        issued = [
            IssuedBody(
                serial=codes.serial(item.public_id),
                external_id=item.external_id,
                occasion=item.occasion,
                wallet_link=links.page(
                    house.settings, house.keyring, [(item.public_id, item.key_id)]
                ),
                fresh=item.fresh,
            )
            for batch in issuing.issue_many(house, body.campaign, wanted, outcome)
            for item in batch.issued
        ]
    except IssueFault as fault:
        raise _refused(fault) from None
    low = outcome.stock is not None and outcome.stock.low
    return _json(
        IssueAnswer(
            vouchers=issued,
            missing=outcome.missing,
            codes_left=outcome.stock.left if low and outcome.stock else None,
        )
    )


@blueprint.post("/campaigns/<key>/invitations", responses={"200": InviteAnswer})
@access.requires(Scope.ISSUE)
def invite(path: CampaignPath, body: InviteBody) -> Response:
    """Make links with which each recipient can take one voucher of the campaign, once."""
    _touch(path.key)
    house = deployment()
    try:
        with house.database.read() as session:
            expires_at = inviting.expiry(session, path.key, days=body.days, now=house.now())
    except InvitationFault:
        raise _unknown("campaign") from None
    invited = []
    for place, item in enumerate(body.recipients):
        invitation = Invitation(
            external_id=item.external_id,
            occasion=body.occasion,
            language=item.language,
            attributes=item.attributes,
            expires_at=expires_at,
        )
        try:
            link = inviting.link(house.settings, house.keyring, path.key, invitation)
        except InvitationFault as fault:
            raise Problem(
                422,
                "not_invited",
                cause="A recipient cannot be invited.",
                remedy="Mend what `errors` names; nobody was invited.",
                errors=[FaultyMember(at=f"recipients.{place}", cause=str(fault))],
            ) from None
        invited.append(InvitedBody(external_id=item.external_id, invitation_link=link))
    return _json(InviteAnswer(invitations=invited, expires_at=expires_at))


@blueprint.post("/vouchers/<serial>/withdraw", responses={"200": IssuedBody})
@access.requires(Scope.ISSUE)
def withdraw(path: VoucherPath, body: WithdrawBody) -> Response:
    """Take back a link that went astray, or the voucher itself."""
    house = deployment()
    public_id = codes.from_serial(path.serial)
    if public_id is None or (key := issuing.campaign_of(house, public_id)) is None:
        raise _unknown("voucher")
    if not access.client().may_touch(key):
        raise _unknown("voucher")
    try:
        with house.database.write() as session:
            if body.what == "link":
                issuing.withdraw_link(session, public_id, now=house.now())
            else:
                issuing.revoke(session, public_id, now=house.now(), reason=body.reason)
    except IssueFault as fault:
        raise _refused(fault) from None
    return _json({"serial": path.serial, "withdrawn": body.what})


@blueprint.post("/messages/render")
@access.requires(Scope.ISSUE)
def render_messages(body: MessageBody) -> Response:
    """Render a mailing: one JSON object a line, in the order of the recipients.

    Lines come as they are ready: `{"external_id": …, "text": …}`, or `"fault"` instead of a text.
    Where a campaign's rules give a recipient nothing, its functions are empty in the text, and
    `"not_given": {"campaign": "why"}` says so.
    """
    house = deployment()
    client = access.client()
    try:
        message = messages.read(body.message_id, body.template, is_html=body.format == "html")
        messages.check(house, message, client.campaigns)
    except MessageFault as fault:
        raise Problem(
            422, "template_faulty", cause=str(fault), remedy="Mend the template."
        ) from None
    people = [item.person() for item in body.recipients]
    facts = {item.external_id: item.facts for item in body.recipients if item.facts}
    make = messages.preview if body.preview else messages.render
    rendered = make(house, message, people, facts)
    answer = Response(_lines(rendered), mimetype="application/x-ndjson")
    answer.headers["Cache-Control"] = "no-store"
    return answer


def register(app: OpenAPI) -> None:
    """Put the doors of this module into `app`."""

    @app.before_request
    def _allow_large() -> None:
        # Read before the view can say so: these carry many recipients in one request.
        if _MANY.fullmatch(request.path):
            request.max_content_length = LARGEST_BATCH

    app.register_api(blueprint)


def _touch(key: str) -> None:
    if not access.client().may_touch(key):
        raise _unknown("campaign")


def _unknown(what: str) -> Problem:
    return Problem(
        404,
        f"{what}_unknown",
        cause=f"No such {what} is known to this key.",
        remedy=f"Check the {what}, and which campaigns the key is bound to.",
    )


def _refused(fault: IssueFault) -> Problem:
    return Problem(
        422, "not_issued", cause=str(fault), remedy="Do what the cause says, then ask again."
    )


class _import_faults:  # noqa: N801 - used as a statement
    """Turns an ImportFault into a problem."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, _: object) -> None:
        if isinstance(error, ImportFault):
            raise Problem(
                422,
                "import_refused",
                cause=str(error),
                remedy="Do what the cause says, then send the file again.",
            ) from None


def _known_import(import_id: uuid.UUID) -> Standing:
    try:
        standing = importing.standing(deployment(), import_id)
    except ImportFault:
        raise _unknown("import") from None
    if not access.client().may_touch(standing.campaign):
        raise _unknown("import")
    return standing


def _import(standing: Standing) -> ImportBody:
    return ImportBody(
        id=str(standing.id),
        campaign=standing.campaign,
        status=standing.status,
        filename=standing.filename,
        read=standing.read,
        accepted=standing.accepted,
        rejected=standing.rejected,
        reasons=standing.reasons,
        error=standing.error,
        known=standing.known,
    )


def _load(house: Deployment, import_id: uuid.UUID) -> None:
    try:
        importing.load(house, import_id)
    except Exception as error:
        structlog.get_logger().error("import_interrupted", exc_info=error)


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


def _json(body: Any, *, status: int = 200) -> Response:
    plain = (
        body.model_dump(mode="json")
        if isinstance(body, BaseModel)
        else [item.model_dump(mode="json") for item in body]
        if isinstance(body, list)
        else body
    )
    answer = Response(orjson.dumps(plain), status, mimetype="application/json")
    answer.headers["Cache-Control"] = "no-store"
    return answer
