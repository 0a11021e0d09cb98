"""Texts that a wallet cuts are warned of, and logos that nobody would see are refused."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from PIL import Image

from app import examples
from app.services import access, campaigns, updates
from app.services.access import Scope
from app.services.campaigns import CampaignFault, warnings_of
from app.services.deployment import Deployment
from app.services.updates import UpdateRequest
from tests.marketing import apply, document

TITLE = "Toute la collection de printemps, en ligne et dans nos boutiques"


def warned(**changes: Any) -> list[str]:
    draft = campaigns.read_document(document(**changes))
    return [
        str(each) for each in warnings_of(draft.presentation, kind=draft.kind, rules=draft.rules)
    ]


def places(warnings: Sequence[str]) -> list[str]:
    return [each.partition(":")[0] for each in warnings]


@pytest.mark.parametrize(
    "path", sorted(Path(examples.__file__).parent.glob("*.toml")), ids=lambda path: path.stem
)
def test_the_examples_give_no_reason_to_warn(path: Path) -> None:
    draft = campaigns.read_file(path)

    assert warnings_of(draft.presentation, kind=draft.kind, rules=draft.rules) == []


def test_a_title_that_both_wallets_cut_is_warned_of_once_with_both_measures() -> None:
    (warning,) = warned(texts={"en": {"title": TITLE, "offer": "−20 %"}})

    assert warning.startswith("texts.en.title: has 64 characters; an iPhone shows about 5")
    assert "and Google shows 46." in warning
    assert warning.endswith("Shorten it, or begin with what matters.")
    assert warned(texts={"en": {"title": TITLE[:46]}}) == []


def test_an_offer_is_measured_in_pixels_on_an_iphone_and_in_letters_at_google() -> None:
    narrow, wide = "il" * 10, "W" * 18

    assert warned(texts={"en": {"title": "Spring", "offer": narrow}}) == []
    (warning,) = warned(texts={"en": {"title": "Spring", "offer": wide}})
    assert "has 18 characters; an iPhone shows about" in warning
    assert "Google" not in warning
    (warning,) = warned(texts={"en": {"title": "Spring", "offer": narrow + "l"}})
    assert "has 21 characters; Google shows 20." in warning


def test_a_card_shows_its_balance_in_the_place_of_the_offer() -> None:
    long = {"en": {"title": "Card", "offer": "W" * 30}}

    assert places(warned(texts=long)) == ["texts.en.offer"]
    assert warned(kind="gift_card", benefit=None, texts=long) == []


def test_fields_on_the_front_and_many_links_are_warned_of_and_details_are_not() -> None:
    field = {
        "key": "hours",
        "label": {"en": "Opening hours of our shops"},
        "value": {"en": "Monday to Saturday from nine to eight"},
    }
    links = [{"url": f"https://shop.example/{at}", "label": {"en": "Shop"}} for at in range(5)]

    assert warned(fields=[field]) == []
    assert places(warned(fields=[{**field, "front": True}])) == [
        "fields.0.label.en",
        "fields.0.value.en",
    ]
    assert places(warned(links=links)) == ["links"]
    assert "has 5 links; Google shows 4" in warned(links=links)[0]


def test_words_of_values_by_rule_and_the_issuers_name_are_measured_too() -> None:
    tier = {"key": "best", "percent": 30, "texts": {"en": {"offer": "W" * 30}}}

    assert places(warned(rules={"tiers": [tier]})) == ["rules.tiers.0.texts.en.offer"]
    assert places(warned(organization="Les Grands Magasins de la Plage")) == ["organization"]


def test_an_update_warns_of_its_own_words_and_not_of_those_that_were_there(
    deployment: Deployment,
) -> None:
    apply(deployment, texts={"en": {"title": TITLE, "offer": "−20 %"}})

    def rehearsed(**presentation: Any) -> list[str]:
        with deployment.database.read() as session:
            found = updates.rehearse(
                session,
                "spring",
                UpdateRequest(presentation=presentation),
                settings=deployment.settings,
                keyring=deployment.keyring,
            )
        return [str(each) for each in found]

    assert rehearsed(look={"background": "#003300"}) == []
    assert places(rehearsed(texts={"en": {"offer": "W" * 18}})) == ["texts.en.offer"]


def test_the_api_answers_with_the_warnings(client: FlaskClient, deployment: Deployment) -> None:
    with deployment.database.write() as session:
        key = access.create(session, "test", [Scope.CAMPAIGN], now=deployment.now())
    answer = client.post(
        "/api/v1/campaigns",
        json=document(texts={"en": {"title": TITLE, "offer": "−20 %"}}),
        headers={"Authorization": f"Bearer {key}"},
    )

    assert answer.json is not None
    assert [each["at"] for each in answer.json["warnings"]] == ["texts.en.title"]


@pytest.mark.parametrize(
    ("size", "measure"), [((4000, 20), "160 wide and 0.667 high"), ((20, 3000), "wide and 50 high")]
)
def test_a_logo_that_would_be_a_line_is_refused_with_its_measure(
    deployment: Deployment, size: tuple[int, int], measure: str
) -> None:
    with pytest.raises(CampaignFault) as refused:
        _apply_with_logo(deployment, size)

    (fault,) = refused.value.faults
    assert fault.at == "look.logo"
    assert measure in fault.cause
    assert "16 times as wide as high" in fault.remedy


@pytest.mark.parametrize("size", [(1600, 110), (100, 780), (400, 400)])
def test_a_logo_of_any_usual_shape_is_taken(deployment: Deployment, size: tuple[int, int]) -> None:
    _apply_with_logo(deployment, size)


def _apply_with_logo(deployment: Deployment, size: tuple[int, int]) -> None:
    picture = BytesIO()
    Image.new("RGB", size, "#ffffff").save(picture, "PNG")
    draft = campaigns.read_document(
        document(look={"logo": "logo.png"}), pictures=lambda name: picture.getvalue()
    )
    with deployment.database.read() as session:
        campaigns.try_out(session, draft, organization="Shop", keyring=deployment.keyring)
