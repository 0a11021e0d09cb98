"""What is wrong in a campaign file is named with its place, all of it at once."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.domain.campaign import BarcodeProfile, ExtraField, Link, Place
from app.services import campaigns
from app.services.campaigns import CampaignFault, Draft
from tests.marketing import card, document

FILE = """
key = "spring"
name = "Spring"
kind = "coupon"
[codes]
source = "list"
[benefit]
type = "percent"
percent = 20
[texts.en]
title = "Spring"
[look]
"""


def places(described: dict[str, Any]) -> set[str]:
    """Where the faults of a document are."""
    with pytest.raises(CampaignFault) as raised:
        campaigns.read_document(described)
    assert all(fault.cause and fault.remedy for fault in raised.value.faults)
    return {fault.at for fault in raised.value.faults}


def draft(**changes: Any) -> Draft:
    return campaigns.read_document(document(**changes))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 500,00", 150_000),
        ("€1,500.00", 150_000),
        ("15,-", 1_500),
        (15.5, 1_550),
        ("1.500", None),
        ("15 USD", None),
        ("-5", None),
    ],
)
def test_amounts_are_read_by_one_reader_wherever_they_stand(
    text: str | float, expected: int | None
) -> None:
    tier = {"key": "a", "when": [{"fact": "basket", "at_least": text}], "amount": text}
    spots: list[dict[str, Any]] = [
        {"benefit": {"type": "amount", "amount": text}},
        {"limits": {"min_basket": text}},
        {"rules": {"tiers": [tier], "most_cost": text}},
    ]
    if expected is None:
        for spot in spots:
            assert all(at.startswith(next(iter(spot))) for at in places(document(**spot)))
        return
    off, least, rules = (draft(**spot) for spot in spots)
    assert (off.terms.benefit.minor, least.terms.min_basket_minor) == (expected, expected)
    assert rules.rules is not None
    assert rules.rules["most_minor"] == expected
    (stored,) = rules.rules["tiers"]
    assert stored["when"][0]["values"] == [expected]
    assert stored["grant"]["benefit"]["minor"] == expected


@pytest.mark.parametrize(
    ("codes", "at"),
    [
        ({"source": "shared"}, "codes.code"),
        ({"source": "list", "code": "SUN20"}, "codes.code"),
        ({"source": "list", "limit": 5}, "codes.limit"),
        ({"source": "list", "pattern": "SUN-####"}, "codes.pattern"),
        ({"source": "generated", "pattern": "SUN-##"}, "codes.pattern"),
        ({"source": "generated", "pattern": "SUN-{nothing}"}, "codes.pattern"),
        (None, "codes"),
    ],
)
def test_codes_say_only_what_goes_with_their_source(codes: dict[str, Any] | None, at: str) -> None:
    assert places(document(codes=codes)) == {at}


def test_gift_cards_never_share_a_number_and_a_partners_codes_are_not_made_here() -> None:
    assert places(card(codes={"source": "shared", "code": "CARD1"})) == {"codes.source"}
    partner = {"authority": "partner", "organization": "Cinema"}
    assert places(document(codes={"source": "on_demand"}, **partner)) == {"codes.source"}
    assert draft(**partner).authority == "partner"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"benefit": {"type": "percent"}}, {"benefit.percent"}),
        ({"benefit": {"type": "amount", "percent": 5}}, {"benefit.amount", "benefit.percent"}),
        ({"benefit": {"type": "amount", "amount": "5", "cap": "9"}}, {"benefit.cap"}),
        ({"benefit": {"type": "percent", "percent": 5, "amount": "5"}}, {"benefit.amount"}),
        ({"benefit": {"type": "amount", "amount": "0.00"}}, {"benefit.amount"}),
        ({"benefit": {"type": "amount", "amount": "-5"}}, {"benefit.amount"}),
        ({"benefit": {"type": "amount", "amount": True}}, {"benefit.amount"}),
        ({"benefit": {"type": "amount", "amount": "5.005"}}, {"benefit.amount"}),
        ({"limits": {"uses": 0}}, {"limits.uses"}),
        ({"gift_card": {"amount": "5"}}, {"gift_card"}),
        ({"validity": {"starts": "2026-06-02", "ends": "2026-06-01"}}, {"validity.ends"}),
        ({"validity": {"anchor": "first_add"}}, {"validity.anchor"}),
        ({"validity": {"ends": "soon"}}, {"validity.ends"}),
    ],
)
def test_terms_that_contradict_themselves_are_refused_where_they_do(
    changes: dict[str, Any], expected: set[str]
) -> None:
    assert places(document(**changes)) == expected


def test_coupons_and_cards_have_each_their_own_section() -> None:
    assert places(card(benefit={"type": "percent", "percent": 20})) == {"benefit"}
    assert places(document(benefit=None)) == {"benefit"}
    assert places(card(currency=None)) == {"currency"}


def test_days_are_the_campaigns_own_and_moments_are_utc() -> None:
    def end(written: object) -> dt.datetime | None:
        return draft(validity={"ends": written}).terms.validity.ends_at

    # The last day is good until it ends, in Paris.
    assert end("2026-06-01") == dt.datetime(2026, 6, 1, 22, tzinfo=dt.UTC)
    assert end(dt.date(2026, 12, 1)) == dt.datetime(2026, 12, 1, 23, tzinfo=dt.UTC)
    assert end("2026-06-01T09:00") == dt.datetime(2026, 6, 1, 7, tzinfo=dt.UTC)
    assert end("2026-06-01T09:00-04:00") == dt.datetime(2026, 6, 1, 13, tzinfo=dt.UTC)
    starts = draft(validity={"starts": "2026-06-01"}).terms.validity.starts_at
    assert starts == dt.datetime(2026, 5, 31, 22, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"texts": None}, {"texts"}),
        ({"texts": {"fr": {"title": "Soldes"}}}, {"texts.en"}),
        ({"texts": {"en": {"title": "A"}, "xx-nowhere-": {"title": "B"}}}, {"texts.xx-nowhere-"}),
        ({"texts": {"en": {"title": ""}}}, {"texts.en.title"}),
        ({"texts": {"en": {"title": "x" * 121}}}, {"texts.en.title"}),
        ({"look": {"background": "blue"}}, {"look.background"}),
        ({"look": {"logo": "logo.png"}}, {"look.logo"}),
        # A wrong colour does not hide a missing picture.
        ({"look": {"label": "red", "banner": "b.png"}}, {"look.label", "look.banner"}),
        ({"fields": {"key": "a"}}, {"fields"}),
        (
            {"fields": [{"key": "a", "label": {}, "value": {"en": "x"}}] * 2},
            {"fields.1.key"},
        ),
        ({"links": [{"url": "http://x.example", "label": {}}]}, {"links.0.url"}),
        ({"places": [{"latitude": 91, "longitude": 0}]}, {"places.0.latitude"}),
        ({"barcode": {"profile": "token", "symbology": "code128"}}, {"barcode.symbology"}),
        ({"barcode": {"profile": "laser"}}, {"barcode.profile"}),
        ({"colour": "red", "kind": "poster"}, {"colour", "kind"}),
        ({"key": "Spring 20", "timezone": "Mars/Base"}, {"key", "timezone"}),
        ({"currency": "ABC"}, {"currency"}),
    ],
)
def test_looks_and_words_that_no_pass_can_have_are_refused_where_they_stand(
    changes: dict[str, Any], expected: set[str]
) -> None:
    assert places(document(**changes)) == expected


def test_what_is_written_is_what_the_pass_gets() -> None:
    stored = "ab" * 32
    found = draft(
        look={"background": "#ABCDEF", "logo": stored},
        fields=[{"key": "size", "label": {"en": "Size"}, "value": {"en": "L"}, "front": True}],
        links=[{"url": "https://shop.example", "label": {"en": "Shop"}}],
        places=[{"latitude": 48.85, "longitude": 2.35, "text": {"en": "Near you"}}],
        barcode={"profile": "code", "symbology": "code128"},
    ).presentation
    assert (found.look.background, found.look.logo) == ("#abcdef", stored)
    assert found.fields == (
        ExtraField(key="size", label={"en": "Size"}, value={"en": "L"}, front=True),
    )
    assert found.links == (Link(url="https://shop.example", label={"en": "Shop"}),)
    assert found.places == (Place(latitude=48.85, longitude=2.35, text={"en": "Near you"}),)
    assert (found.barcode, found.symbology) == (BarcodeProfile.CODE, "code128")


def test_picture_beside_the_file_is_kept_under_its_digest(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(data, "PNG")
    (tmp_path / "logo.png").write_bytes(data.getvalue())
    path = tmp_path / "spring.toml"
    path.write_text(FILE + 'logo = "logo.png"\n', encoding="utf-8")

    found = campaigns.read_file(path)

    digest = hashlib.sha256(data.getvalue()).hexdigest()
    assert found.presentation.look.logo == digest
    assert found.pictures == {digest: data.getvalue()}


@pytest.mark.parametrize("picture", ["missing.png", "text.png", "torn.png", "large.png"])
def test_picture_that_cannot_be_read_is_named_with_its_reason(tmp_path: Path, picture: str) -> None:
    data = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(data, "PNG")
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "torn.png").write_bytes(data.getvalue()[:-200])
    with (tmp_path / "large.png").open("wb") as large:
        large.truncate(10_000_001)
    path = tmp_path / "spring.toml"
    path.write_text(FILE + f'logo = "{picture}"\n', encoding="utf-8")

    with pytest.raises(CampaignFault) as raised:
        campaigns.read_file(path)

    (fault,) = raised.value.faults
    assert fault.at == "look.logo"
    reasons = {
        "missing.png": "No such file",
        "text.png": "neither PNG nor JPEG",
        "torn.png": "is broken",
        "large.png": "larger than 10 MB",
    }
    assert picture in fault.cause
    assert reasons[picture] in fault.cause


@pytest.mark.parametrize(
    ("data", "cause"),
    [(None, "cannot be read"), (b'name = "\xff"', "not UTF-8"), (b"name = ", "is not TOML")],
)
def test_file_that_is_none_says_why(tmp_path: Path, data: bytes | None, cause: str) -> None:
    path = tmp_path / "spring.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(CampaignFault, match=cause):
        campaigns.read_file(path)
