"""This module decides what a key may touch, for every operation.

A key has scopes, which say what may be done, and may be bound to campaigns, or to a store and one
of its terminals, which say to what. Every operation states its scopes and its reach, of which four
rules follow:

==============  ================================================  =============================
reach           a key that is bound to campaigns                  … to a store, or a terminal
==============  ================================================  =============================
`till`          vouchers of its campaigns                         calls of its store or terminal
`campaigns`     what belongs to its campaigns                     nothing
`figures`       figures of its campaigns                          figures of its store
`deployment`    nothing                                           nothing
==============  ================================================  =============================

"Nothing" is refused whatever is named (403). What is another's among that which a key may touch is
answered as what does not exist (404, or left out of a list; a till's code is unknown), so that
nothing says whether it does.

People belong to no campaign: a key that is bound names them, and what it says of them counts for
what it asks for and changes nothing that is stored.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.services import campaigns
from app.services.access import Client
from app.services.campaigns import DocumentFault, Draft
from app.store.models import Campaign


class Reach(StrEnum):
    """What an operation touches, which decides what a key that is bound may do with it."""

    TILL = "till"
    CAMPAIGNS = "campaigns"
    FIGURES = "figures"
    DEPLOYMENT = "deployment"


class Binding(StrEnum):
    """To what a key is bound."""

    CAMPAIGNS = "campaigns"
    STORE = "store"


#: The rule of each reach, for the description of an operation.
RULES = {
    Reach.TILL: "A key that is bound to campaigns touches their vouchers alone, one that is bound "
    "to a store or terminal calls from there alone.",
    Reach.CAMPAIGNS: "A key that is bound to campaigns touches what is theirs alone; one that is "
    "bound to a store is refused.",
    Reach.FIGURES: "A key that is bound to campaigns or to a store sees their figures alone.",
    Reach.DEPLOYMENT: "This is shared by all campaigns and stores: a key that is bound to any is "
    "refused.",
}
_REFUSED = {
    Reach.TILL: (),
    Reach.CAMPAIGNS: (Binding.STORE,),
    Reach.FIGURES: (),
    Reach.DEPLOYMENT: (Binding.CAMPAIGNS, Binding.STORE),
}


def hindrance(client: Client, reach: Reach) -> Binding | None:
    """The binding that keeps the key from every operation of this reach; None where none does."""
    bound = {
        Binding.CAMPAIGNS: client.campaigns is not None,
        Binding.STORE: client.store_id is not None,
    }
    return next((each for each in _REFUSED[reach] if bound[each]), None)


def speaks_for_all(client: Client) -> bool:
    """Whether what the key says of people changes what all campaigns know of them."""
    return client.campaigns is None and client.store_id is None


def beyond(session: Session, client: Client, campaign_key: str) -> bool:
    """Whether the campaign's rules give vouchers of a campaign that the key may not touch."""
    if client.campaigns is None:
        return False
    campaign = campaigns.find(session, campaign_key)
    if campaign is None:
        return False
    given = {grant.campaign for _, grant in campaigns.grants_of(campaigns.rules_of(campaign))}
    return any(not client.may_touch(each) for each in given if each is not None)


def faults_of(session: Session, client: Client, draft: Draft) -> list[DocumentFault]:
    """What a campaign file names beyond what the key may touch.

    Its values may be issued only from the key's campaigns, whether or not another exists. A
    frequency group is counted by every campaign that names it, so that the file may join one only
    where all that do are the key's, unless somebody put the campaign there already.
    """
    if client.campaigns is None:
        return []
    return [*_grants_beyond(client, draft), *_groups_beyond(session, client, draft)]


def _grants_beyond(client: Client, draft: Draft) -> Iterator[DocumentFault]:
    for at, grant in campaigns.grants_of(campaigns.read_rules(draft.rules)):
        if grant.campaign is not None and not client.may_touch(grant.campaign):
            yield DocumentFault(
                f"{at}.campaign",
                f"{grant.campaign!r} is no campaign that the key is bound to.",
                "Name one that it is bound to, or use a key that is bound to both.",
            )


def _groups_beyond(session: Session, client: Client, draft: Draft) -> Iterator[DocumentFault]:
    frequency = campaigns.read_rules(draft.rules).frequency
    if frequency is None:
        return
    users = {
        campaign.key
        for campaign in session.scalars(select(Campaign).where(Campaign.rules.is_not(None)))
        if (other := campaigns.rules_of(campaign).frequency) is not None
        and other.group == frequency.group
    }
    if draft.key not in users and not all(map(client.may_touch, users)):
        yield DocumentFault(
            "rules.frequency.group",
            f"{frequency.group!r} is counted by a campaign that the key is not bound to.",
            "Choose another name, or use a key that is bound to no campaign.",
        )
