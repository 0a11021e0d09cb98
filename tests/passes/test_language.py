"""Other names of one language, regions and scripts find the texts that are there."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from passes import Localized
from passes.apple.files import check_files
from passes.language import canonical, closest, primary
from passes.text import check_language, in_language

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
