"""Other names of one language, regions and scripts find the texts that are there."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from app.words import LANGUAGES
from passes import Design, Localized, Presentation, Status
from passes.apple import Template
from passes.apple.files import check_files
from passes.artwork import monogram
from passes.google import object_resource
from passes.language import bases, canonical, closest, direction, primary, running
from passes.signing import Signer
from passes.text import check_language, in_language
from tests.passes import samples
from tests.passes.openssl import unzip

_SCALES = {"": 38, "@2x": 76, "@3x": 114}


@pytest.mark.parametrize(
    ("tag", "spelled"),
    [
        ("fr_CH", "fr-CH"),
        ("FR-ch", "fr-CH"),
        ("fra", "fr"),
        ("ger", "de"),
        ("iw", "he"),
        ("in-ID", "id-ID"),
        ("mo", "ro"),
        ("pt_br", "pt-BR"),
        ("ES_419", "es-419"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("en_GB.UTF-8", "en-GB"),
        ("de_DE@euro", "de-DE"),
        (" nl ", "nl"),
    ],
)
def test_a_tag_has_one_spelling(tag: str, spelled: str) -> None:
    assert canonical(tag) == spelled
    assert primary(tag) == spelled.partition("-")[0]


@pytest.mark.parametrize(
    ("known", "wanted", "found"),
    [
        (["en", "es-419", "pt-BR"], ["es-MX"], "es-419"),
        (["es-ES", "es-419"], ["es_AR"], "es-419"),
        (["en", "es"], ["es-419"], "es"),
        (["en", "pt-BR"], ["pt"], "pt-BR"),
        (["en", "de"], ["de-AT"], "de"),
        (["en", "de-CH"], ["de-AT"], "de-CH"),
        (["zh-Hans", "zh-Hant"], ["zh-TW"], "zh-Hant"),
        (["zh-Hans", "zh-Hant"], ["zh-HK"], "zh-Hant"),
        (["zh-Hans", "zh-Hant"], ["zh-CN"], "zh-Hans"),
        (["en", "he"], ["iw-IL"], "he"),
        (["en", "no"], ["nb-NO"], "no"),
        (["en", "nb"], ["no"], "nb"),
        (["en", "nb"], ["nn-NO"], "nb"),
        (["en", "fr"], ["sv", "fr-CA"], "fr"),
        (["en"], ["fr"], None),
        (["en"], ["*", "", "not a tag at all"], None),
    ],
)
def test_the_first_language_that_is_wanted_and_known_is_found(
    known: list[str], wanted: list[str], found: str | None
) -> None:
    assert closest(known, wanted) == found


def test_a_text_is_found_by_any_name_of_its_language() -> None:
    text = Localized({"en": "Terms", "es-419": "Términos", "he": "תנאים"})
    assert in_language(text, "es_MX", "en") == "Términos"
    assert in_language(text, "iw", "en") == "תנאים"
    assert in_language(text, "fi", "en") == "Terms"


def test_a_region_of_three_digits_is_a_language_of_a_pass() -> None:
    check_language("languages", "es-419")
    icons = {f"icon{scale}.png": _png(size) for scale, size in _SCALES.items()}
    check_files({**icons, "es-419.lproj/pass.strings": b'"a" = "b";\n'})


def _png(size: int) -> bytes:
    out = BytesIO()
    Image.new("RGB", (size, size)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("tag", "way"),
    [
        ("ar", "rtl"),
        ("iw-IL", "rtl"),
        ("fa", "rtl"),
        ("pa-PK", "rtl"),
        ("uz-Arab", "rtl"),
        ("ug-KZ", "ltr"),
        ("ku", "ltr"),
        ("de-AT", "ltr"),
        ("zh-Hant", "ltr"),
    ],
)
def test_a_language_runs_the_way_it_is_written(tag: str, way: str) -> None:
    assert direction(tag) == way


@pytest.mark.parametrize(
    ("text", "way"),
    [("−20 %", "ltr"), ("خصم 20 %", "rtl"), ("20 % הנחה", "rtl"), ("Wow: خصم", "ltr")],
)
def test_a_text_runs_by_its_letters_and_a_bare_figure_keeps_its_sign(text: str, way: str) -> None:
    assert running(text) == way


@pytest.mark.parametrize(
    ("languages", "found"),
    [
        (("en", "pt-BR"), {"pt": "pt-BR"}),
        (("en-GB", "es-419", "es-MX"), {"en": "en-GB", "es": "es-419"}),
        (("de", "de-AT"), {}),
        (("zh-Hant", "zh-TW", "sr-Latn"), {}),
        (("zh-CN",), {"zh": "zh-CN"}),
    ],
)
def test_a_language_that_is_there_in_regions_alone_is_found_by_its_others(
    languages: tuple[str, ...], found: dict[str, str]
) -> None:
    assert dict(bases(languages)) == found


def test_both_wallets_find_a_region_alone_and_read_its_own_words(signer: Signer) -> None:
    tags = ("en", "pt-BR", "es-419", "de-AT", "zh-Hant")
    title = Localized(dict(zip(tags, ("All", "Tudo", "Todo", "Alles", "全部"), strict=True)))
    shared = Presentation(
        kind="coupon",
        organization="Shop",
        description="d",
        title=title,
        offer="−20 %",
        terms="t",
        languages=tags,
        words={tag: each.wallet for tag, each in LANGUAGES.items()},
        design=Design(artwork=monogram("Shop", background="#0b3d2e", foreground="#ffffff")),
    )
    content = samples.coupon(shared, status=Status.BLOCKED)
    package = unzip(Template(shared).build(content, signer=signer, now=samples.NOW))
    folders = {
        name.partition(".lproj")[0]: data for name, data in package.items() if "lproj" in name
    }
    assert set(folders) == {*tags, "pt", "es", "de"}
    assert folders["pt"] == folders["pt-BR"]
    for tag, own, label in (
        ("pt-BR", "Tudo", "Válido até"),
        ("es-419", "Todo", "Válido hasta"),
        ("de-AT", "Alles", "Gültig bis"),
        # Nobody has its words; its texts are still its own.
        ("zh-Hant", "全部", "Valid until"),
    ):
        assert f'"All" = "{own}";' in folders[tag].decode()
        assert f'"Valid until" = "{label}";' in folders[tag].decode()
    resource = object_resource(content, object_id="1.object", class_id="1.class")
    (status,) = [each for each in resource["textModulesData"] if each["id"] == "status"]
    said = {each["language"]: each["value"] for each in status["localizedBody"]["translatedValues"]}
    assert said == {
        "pt-BR": "Bloqueado",
        "es-419": "Bloqueado",
        "de-AT": "Gesperrt",
        "zh-Hant": "Blocked",
        "pt": "Bloqueado",
        "es": "Bloqueado",
        "de": "Gesperrt",
    }
