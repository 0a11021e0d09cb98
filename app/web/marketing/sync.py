"""Sync health: what phones are owed, were told and hold, and what is in the way."""

from __future__ import annotations

from flask import Response
from pydantic import AwareDatetime, BaseModel, Field

from app.services.access import Scope
from app.services.permissions import Reach
from app.services.wallets.apple.complaints import COMPLAINT_KINDS, newest_complaints
from app.services.wallets.health import assess
from app.web import access, deployment
from app.web.description import example
from app.web.marketing.door import ByWallet, answered, one_of, part


class CampaignSyncBody(ByWallet):
    """Passes of one campaign in wallets; each of Apple's is in one of the four states."""

    campaign: str = Field(description="The campaign's key")
    installed: int = Field(description="Passes in Apple's wallets")
    owed: int = Field(description="Passes whose device was not told of the present state")
    pushed: int = Field(description="Passes whose device was told, and has not asked since")
    listed: int = Field(description="Passes whose device asked and was told, and has not fetched")
    fetched: int = Field(description="Passes whose device holds the present state")
    objects: int = Field(description="Passes at Google that are in a wallet, or may be")
    objects_owed: int = Field(
        description="Passes at Google that it was not told the present state of, those still to "
        "be made included"
    )


class FailureBody(BaseModel):
    """Devices whose last push failed, or passes whose last call to Google did, by the reason."""

    wallet: str = Field(description="Name of the wallet, such as apple or google")
    reason: str = Field(description="What the wallet's service answered")
    count: int = Field(description="Devices at Apple, passes at Google")


class AlarmBody(BaseModel):
    """Something that a person has to mend."""

    name: str = Field(description="Stable name for programs, such as no_worker or late_apple")
    cause: str = Field(description="What is wrong")
    remedy: str = Field(description="What to do")


class UntoldBody(BaseModel):
    """A webhook that waits to be told something."""

    webhook: str = Field(description="The webhook's id")
    host: str = Field(description="The host of its address")
    since: AwareDatetime = Field(description="When the oldest event happened that it was not told")
    failure: str | None = Field(description="Why the last attempt failed; null when none did")


class SyncAnswer(ByWallet):
    """What phones are owed, were told and hold, at one moment.

    A key that is bound to campaigns is answered with `campaigns`, `workers` and `alarms` alone.
    """

    model_config = example(
        campaigns=[
            {
                "campaign": "summer",
                "installed": 3120,
                "owed": 640,
                "pushed": 375,
                "listed": 7,
                "fetched": 2098,
                "objects": 2090,
                "objects_owed": 0,
            }
        ],
        failures=[{"wallet": "apple", "reason": "TooManyRequests", "count": 3}],
        oldest={"apple": "2026-08-14T08:00:00+00:00"},
        google_classes_owed=0,
        google_takes_seconds=0.0,
        workers=1,
        alarms=[
            {
                "name": "late_apple",
                "cause": "A device has waited for its push since 2026-08-14 08:00 UTC.",
                "remedy": "See the failures, and whether a worker runs.",
            }
        ],
        untold=[],
        complaints={"pass_unchanged": 2},
        oldest_owed="2026-08-14T08:00:00+00:00",
    )

    campaigns: list[CampaignSyncBody] = Field(
        description="Campaigns with passes in wallets that the key may see, ordered by key"
    )
    failures: list[FailureBody] = Field([], description="What went wrong, by wallet and reason")
    oldest: dict[str, AwareDatetime] = Field(
        {}, description="By wallet, since when what waits longest has waited; none where none waits"
    )
    google_classes_owed: int = Field(
        0, description="Calls that Google is owed of what all passes of a campaign share"
    )
    google_takes_seconds: float = Field(
        0, description="Seconds that what Google is owed takes at the rate that Google allows"
    )
    workers: int = Field(description="Workers that were heard of lately")
    alarms: list[AlarmBody] = Field(description="What a person has to mend")
    untold: list[UntoldBody] = Field([], description="Webhooks that were not told everything yet")
    complaints: dict[str, int] = Field(
        {}, description="Complaints of Apple's devices in the last day, by kind"
    )
    oldest_owed: AwareDatetime | None = Field(
        None, description="Since when what waits longest has waited, in whichever wallet"
    )


class ComplaintBody(BaseModel):
    """Something that an Apple device complained about."""

    at: AwareDatetime = Field(description="When it was received")
    kind: str = Field(
        description="What it means",
        json_schema_extra=one_of(*COMPLAINT_KINDS),
    )
    serial: str | None = Field(
        description="Serial number of the voucher that it names; null: it names none"
    )
    message: str = Field(
        description="The device's own words, at most 500 characters; secrets are left out"
    )


class ComplaintsAnswer(BaseModel):
    """What devices complained about lately, newest first, at most 100."""

    model_config = example(
        complaints=[
            {
                "at": "2026-08-14T08:02:11+00:00",
                "kind": "pass_unchanged",
                "serial": "0f3a9c27d18e4b60",
                "message": "Server requested update to serial number '0f3a9c27d18e4b60', but "
                "the pass was unchanged.",
            }
        ],
    )

    complaints: list[ComplaintBody] = Field(description="The complaints")


blueprint = part("sync", "What phones are owed, were told and hold")


@blueprint.get("/sync", responses={200: SyncAnswer})
@access.requires(Scope.REPORT, Scope.CAMPAIGN, reach=Reach.CAMPAIGNS)
def show_sync() -> Response:
    """Show what phones are owed, were told and hold, by campaign, with failures and alarms.

    For operators and for marketers who wait for an edit. What waits for more than 15 minutes is an
    alarm. It is counted from every pass in a wallet: of a million that takes seconds.

    A key that is bound to campaigns sees theirs and the service's own alarms; what is counted over
    all campaigns is left out.
    """
    found = assess(deployment())
    only = access.client().campaigns
    shown = found.as_dict()
    if only is not None:
        return answered(
            {
                "campaigns": [each for each in shown["campaigns"] if each["campaign"] in only],
                "workers": found.workers,
                "alarms": [each.as_dict() for each in found.alarms if each.of_service],
            }
        )
    return answered(shown)


@blueprint.get("/sync/complaints", responses={200: ComplaintsAnswer})
@access.requires(Scope.REPORT, reach=Reach.CAMPAIGNS)
def list_complaints() -> Response:
    """List what Apple's devices complained about lately, the newest 100 first.

    For operators who look for the cause of passes that do not change. A key that is bound to
    campaigns sees complaints that name their passes.
    """
    with deployment().database.read() as session:
        found = newest_complaints(session, only=access.client().campaigns)
        return answered(
            {
                "complaints": [
                    {
                        "at": each.at,
                        "kind": each.kind,
                        "serial": each.serial,
                        "message": each.message,
                    }
                    for each in found
                ]
            }
        )
