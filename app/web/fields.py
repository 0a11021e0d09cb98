"""Fields that several doors take, each with its bounds.

What characters and numbers may come in at all is the gate's to say (`app.web.gate`); these bound
what a field means.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from app.domain.inputs import EARLIEST, LATEST, MOST_MINOR, ONE_LINE
from app.domain.values import AMOUNTS

#: A name or an id of the caller's own: one line.
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=ONE_LINE)]
#: A campaign's key in a path or a list; what is no key is unknown.
CampaignKey = Annotated[str, StringConstraints(max_length=200)]
#: Why a recipient gets a voucher; empty where there is one reason only.
Occasion = Annotated[str, StringConstraints(max_length=200)]
#: An amount of money in minor units that may be zero.
Minor = Annotated[int, Field(ge=0, le=MOST_MINOR)]
#: Days and moments that calendars of every time zone can reckon with.
Day = Annotated[dt.date, Field(ge=dt.date(EARLIEST, 1, 1), le=dt.date(LATEST, 12, 31))]
Moment = Annotated[
    AwareDatetime,
    Field(
        ge=dt.datetime(EARLIEST, 1, 1, tzinfo=dt.UTC), le=dt.datetime(LATEST, 12, 31, tzinfo=dt.UTC)
    ),
]
#: A fact of an occasion: text, or a number that sums of money can be reckoned with.
Fact = (
    Annotated[str, StringConstraints(max_length=200)]
    | Annotated[int, Field(ge=-MOST_MINOR, le=MOST_MINOR)]
)


def _in_minor_units(facts: dict[str, str | int]) -> dict[str, str | int]:
    for name in AMOUNTS:
        if isinstance(facts.get(name), str):
            raise ValueError(f"{name} is an amount: send a whole number of minor units, as 1500")
    return facts


#: What is known of an occasion; amounts among it are whole numbers of minor units.
Facts = Annotated[dict[str, Fact], Field(max_length=50), AfterValidator(_in_minor_units)]
