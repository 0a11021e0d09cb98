"""A campaign of which no pass could be made is refused whole, before anything is stored."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image
from sqlalchemy import func, select

from app.services import (
    access,
    campaigns,
    decisions,
    issuance,
)
from app.services.access import Scope
from app.services.campaigns import CampaignFault
from app.services.deployment import Deployment
from app.services.issuance import Person, VoucherRequest
from app.services.wallets import holdings
from app.services.wallets.content import pass_content
from app.store.models import Asset, Campaign, Revision, Voucher
from passes.content import Localized, PassContent
from tests.marketing import apply_document, card, document

BLUE = {"title": "Blue", "offer": "−20 %"}
UNKNOWN = "0" * 64


@pytest.fixture
def headers(deployment: Deployment) -> dict[str, str]:
    _ = deployment.keyring
    with deployment.database.write() as session:
        key = access.create(session, "test", [Scope.CAMPAIGN], now=deployment.now())
    return {"Authorization": f"Bearer {key}"}


def places(
    client: FlaskClient, headers: dict[str, str], *, dry_run: bool, **changes: Any
) -> set[str]:
    """Where the faults are for which a campaign is refused."""
    query = {"dry_run": "true"} if dry_run else {}
    refused = client.post(
        "/api/v1/campaigns", query_string=query, json=document(**changes), headers=headers
    )
    assert refused.status_code == 422, refused.text
    assert refused.json is not None
    assert all(len(error["cause"].split(". ")) > 1 for error in refused.json["errors"])
    return {error["at"] for error in refused.json["errors"]}


def content_of(deployment: Deployment, decided: decisions.Decided) -> PassContent:
    """What the pass shows of what was decided."""
    assert decided.issued is not None
    with deployment.database.read() as session:
        voucher = session.get_one(Voucher, decided.issued.voucher_id)
        holding = holdings.find(session, voucher.public_id)
    assert holding is not None
    return pass_content(deployment, holding, now=deployment.now())


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"look": {"background": "#777777", "foreground": "#787878"}}, "look.foreground"),
        ({"look": {"background": "#ffffff", "foreground": "#000000"}}, "look.label"),
        ({"look": {"logo": UNKNOWN}}, "look.logo"),
        ({"look": {"banner": UNKNOWN}}, "look.banner"),
        ({"texts": {"en": BLUE, "de": {"title": "Blau"}}}, "texts.de.offer"),
        ({"texts": {"en": BLUE, "fr": {**BLUE, "title": "\x07"}}}, "texts.fr.title"),
        ({"texts": {"en": {**BLUE, "terms": "\x00"}}}, "texts.en.terms"),
        (
            {"fields": [{"key": "offer", "label": {"en": "?"}, "value": {"en": "?"}}]},
            "fields.0.key",
        ),
        (
            {"fields": [{"key": f"f{n}", "label": {}, "value": {"en": "x"}} for n in range(11)]},
            "fields",
        ),
        (
            {
                "fields": [
                    {"key": f"f{n}", "label": {}, "value": {"en": "x"}, "front": True}
                    for n in range(4)
                ]
            },
            "fields",
        ),
        ({"links": [{"url": "https:///nowhere", "label": {"en": "x"}}]}, "links"),
        ({"places": [{"latitude": 1, "longitude": 2, "text": {"en": "\x07"}}]}, "places.0.text.en"),
        (
            {
                "codes": {"source": "shared", "code": "É" * 40},
                "barcode": {"profile": "code", "symbology": "code128"},
            },
            "barcode.symbology",
        ),
    ],
)
def test_a_campaign_of_which_no_pass_can_be_made_names_the_field_and_stores_nothing(
    client: FlaskClient,
    headers: dict[str, str],
    deployment: Deployment,
    changes: dict[str, Any],
    at: str,
) -> None:
    for dry_run in (True, False):
        assert at in places(client, headers, dry_run=dry_run, **changes)
    with deployment.database.read() as session:
        for model in (Campaign, Revision, Asset):
            assert session.scalar(select(func.count()).select_from(model)) == 0


FRENCH = {"en": BLUE, "fr": {"title": "Bleu", "offer": "−20 %"}}


def tier(key: str, **value: Any) -> dict[str, Any]:
    return {"key": key, "when": [{"fact": "score", "above": 500}], "percent": 30} | value


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        (
            {"rules": {"tiers": [tier("a"), tier("b", texts={"en": {"offer": "−30 %\x07"}})]}},
            {"rules.tiers.1.texts.en.offer"},
        ),
        (
            {"rules": {"variants": [{"key": "a", "texts": {"en": {"offer": " ", "terms": "\0"}}}]}},
            {"rules.variants.0.texts.en.offer", "rules.variants.0.texts.en.terms"},
        ),
        (
            {"rules": {"tiers": [tier("a", texts={"fr": {"offer": "−30 %"}})]}},
            {"rules.tiers.0.texts.fr"},
        ),
        (
            {"rules": {"tiers": [tier("a", texts={"en": {"terms": "Once."}})]}, "texts": FRENCH},
            {"rules.tiers.0.texts.fr.terms"},
        ),
        (
            {"rules": {"tiers": [tier("a", percent=None, amount=5)]}, "texts": {"xx": BLUE}},
            {"texts.xx", "texts.en"},
        ),
    ],
    ids=["second tier", "variant", "other language", "in one language only", "no language"],
)
def test_a_value_by_rule_whose_words_no_pass_can_show_is_named_and_nothing_is_stored(
    client: FlaskClient,
    headers: dict[str, str],
    deployment: Deployment,
    changes: dict[str, Any],
    at: set[str],
) -> None:
    for dry_run in (True, False):
        assert places(client, headers, dry_run=dry_run, **changes) == at
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Campaign)) == 0


def test_a_value_that_another_campaign_gives_is_tried_out_in_that_campaigns_dress(
    deployment: Deployment,
) -> None:
    apply_document(deployment, card(texts=FRENCH))
    # Nothing is issued from a campaign before it is there.
    unknown = {"key": "b", "campaign": "later", "texts": {"de": {"offer": "−5 €"}}}
    given = {"key": "a", "campaign": "card", "texts": {"fr": {"terms": "Une fois."}}}

    with pytest.raises(CampaignFault) as refused:
        apply_document(deployment, document(rules={"variants": [unknown, given]}))

    assert [fault.at for fault in refused.value.faults] == ["rules.variants.1.texts.en.terms"]


def test_values_with_words_of_their_own_are_accepted_and_those_who_get_them_read_them(
    deployment: Deployment,
) -> None:
    words = {"en": {"offer": "−30 % for you"}, "fr": {"offer": "−30 % pour vous"}}
    rules = {"tiers": [tier("best", texts=words), tier("rest", percent=10, when=[])]}
    key = apply_document(
        deployment, document(codes={"source": "on_demand"}, texts=FRENCH, rules=rules)
    )
    people = [decisions.Candidate(person=Person(external_id="a"), facts={"score": 900})]

    (decided,) = decisions.decide(deployment, key, people, decisions.Tally())

    shown = content_of(deployment, decided)
    assert isinstance(shown.offer, Localized)
    assert (shown.offer["en"], shown.offer["fr"]) == ("−30 % for you", "−30 % pour vous")


def test_a_value_with_words_alone_shows_them_and_what_it_left_out_follows_the_campaign(
    deployment: Deployment,
) -> None:
    gold = {"key": "gold", "when": [], "texts": {"en": {"offer": "For our best"}}}

    def file(terms: str) -> dict[str, Any]:
        texts = {"en": {**BLUE, "terms": terms}}
        return document(codes={"source": "on_demand"}, texts=texts, rules={"tiers": [gold]})

    key = apply_document(deployment, file("Once."))
    people = [decisions.Candidate(person=Person(external_id="a"))]
    (decided,) = decisions.decide(deployment, key, people, decisions.Tally())
    apply_document(deployment, file("Once, and not on Sundays."))

    shown = content_of(deployment, decided)
    assert isinstance(shown.offer, Localized)
    assert shown.offer["en"] == "For our best"
    assert shown.terms is None
    assert isinstance(shown.presentation.terms, Localized)
    assert shown.presentation.terms["en"] == "Once, and not on Sundays."


def test_a_card_whose_field_would_hide_its_movements_is_refused(deployment: Deployment) -> None:
    field = {"key": "movements", "label": {"en": "Moves"}, "value": {"en": "x"}}

    with pytest.raises(CampaignFault) as refused:
        apply_document(deployment, card(fields=[field]))

    assert [fault.at for fault in refused.value.faults] == ["fields.0"]


def test_all_languages_that_are_wrong_are_named_at_once(deployment: Deployment) -> None:
    texts = {"en": BLUE, "de": {"title": "Blau"}, "fr": {"title": "Bleu"}}

    with pytest.raises(CampaignFault) as refused:
        apply_document(deployment, document(texts=texts))

    assert {fault.at for fault in refused.value.faults} == {"texts.de.offer", "texts.fr.offer"}


def test_a_revision_that_cannot_be_a_pass_leaves_the_campaign_as_it_was(
    deployment: Deployment,
) -> None:
    apply_document(deployment, document())

    with pytest.raises(CampaignFault):
        apply_document(deployment, document(look={"logo": UNKNOWN}, name="Other"))

    with deployment.database.read() as session:
        stored = session.scalars(select(Campaign)).one()
    assert (stored.name, stored.revision, stored.version) == ("Spring", 1, 1)


def test_a_file_whose_logo_cannot_be_seen_is_refused_and_its_picture_is_not_kept(
    deployment: Deployment, tmp_path: Path
) -> None:
    data = io.BytesIO()
    Image.new("RGBA", (400, 400), "#1f3a5f").save(data, "PNG")
    (tmp_path / "logo.png").write_bytes(data.getvalue())
    (tmp_path / "blue.toml").write_text(
        'key="blue"\nname="Blue"\nkind="coupon"\n[codes]\nsource="on_demand"\n'
        '[benefit]\ntype="percent"\npercent=20\n[texts.en]\ntitle="Blue"\noffer="−20 %"\n'
        '[look]\nlogo="logo.png"\n',
        encoding="utf-8",
    )
    draft = campaigns.read_file(tmp_path / "blue.toml")

    with deployment.database.read() as session, pytest.raises(CampaignFault) as refused:
        campaigns.try_out(session, draft, organization="Passerelle", keyring=deployment.keyring)

    assert [fault.at for fault in refused.value.faults] == ["look.logo"]
    with deployment.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Asset)) == 0


@pytest.mark.parametrize("symbology", ["qr", "pdf417", "aztec"])
def test_a_token_is_drawn_in_the_barcode_that_the_campaign_names(
    client: FlaskClient, deployment: Deployment, symbology: str
) -> None:

    key = apply_document(
        deployment,
        document(codes={"source": "on_demand"}, barcode={"symbology": symbology}),
    )
    keyring = deployment.keyring
    with deployment.database.write() as session:
        campaign = campaigns.find(session, key)
        assert campaign is not None
        wanted = [VoucherRequest(person=Person(external_id="a"))]
        issuance.issue(session, keyring, campaign, wanted, now=deployment.now())
    with deployment.database.read() as session:
        public_id = session.scalars(select(Voucher.public_id)).one()
        holding = holdings.find(session, public_id)
    assert holding is not None

    content = pass_content(deployment, holding, now=deployment.now())

    assert content.barcode is not None
    assert content.barcode.symbology.value.lower() == symbology


def test_a_revision_that_was_never_committed_is_not_remembered(deployment: Deployment) -> None:
    key = apply_document(deployment, document())
    with deployment.database.read() as session:
        campaign = campaigns.find(session, key)
        assert campaign is not None
        kept = session.scalars(select(Revision)).one()
        assert campaigns.revisions(session, [kept.id])[kept.id].number == 1

    def revise(name: str, *, fails: bool) -> int:
        with deployment.database.write() as session:
            fresh = Revision(
                id=kept.id + 1,
                campaign_id=kept.campaign_id,
                number=2,
                terms=kept.terms,
                presentation={**kept.presentation, "organization": name},
                created_at=deployment.now(),
            )
            session.add(fresh)
            session.flush()
            found = campaigns.revisions(session, [fresh.id])
            assert found[fresh.id].presentation["organization"] == name
            if fails:
                raise CampaignFault([])
        return kept.id + 1

    with pytest.raises(CampaignFault):
        revise("Vanished", fails=True)
    number = revise("Stays", fails=False)

    for _ in range(2):
        with deployment.database.read() as session:
            found = campaigns.revisions(session, [number])
        assert found[number].presentation["organization"] == "Stays"
