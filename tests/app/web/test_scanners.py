"""What scanners and cameras send for one printed symbol is one code, whatever the host makes of it:
a genuine pass is never called a forgery, and a misreading is no guess.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from sqlalchemy import func, select

from app.domain.campaign import Source, Terms
from app.domain.codes import Purpose, from_serial
from app.services import links, resolving
from app.services.guesses import LIMITS
from app.store.models import GuessCount, Voucher
from tests.shop import Issued, Shop, Till

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

MANY = Terms(uses=1000)

# What hosts show for the keys of capitals and digits, written down from the keyboards themselves.
_SHIFTED = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
HOSTS = {
    "QWERTZ": (_SHIFTED + "234567-:/.", "ABCDEFGHIJKLMNOPQRSTUVWXZY" + "234567ßÖ-."),
    "AZERTY": (_SHIFTED + "234567-:/.", "QBCDEFGHIJKL?NOPARSTUVZXYW" + "é\"'(-è)M!:"),
    "AZERTY of Belgium": (_SHIFTED + "234567-:/.", "QBCDEFGHIJKL?NOPARSTUVZXYW" + "é\"'(§è)M=:"),
    "QWERTZ of Czechia": (_SHIFTED + "234567-:/.", "ABCDEFGHIJKLMNOPQRSTUVWXZY" + 'ěščřžý="-.'),
    "Dvorak": (_SHIFTED + "234567-:/.", 'AXJE>UIDCHTNMBRL"POYGK<QF:' + "234567[SzV"),
    "Russian": (
        _SHIFTED + "234567-:/.",
        "ФИСВУАПРШОЛДЬТЩЗЙКЫЕГМЦЧНЯ" + "234567-Ж.ю",
    ),
}


def typed(text: str, host: str, *, caps: bool = False) -> str:
    """What arrives when a scanner presses the US keys of `text`, with caps lock or without."""
    keys = dict(zip(*HOSTS[host], strict=True))
    lower = {key.lower(): given.lower() for key, given in keys.items() if key.isalpha()}
    if "AZERTY" in host:
        lower["m"] = ","
    if host == "Dvorak":
        lower |= {"e": ".", "q": "'", "w": ",", "z": ";"}
    given = {**lower, **keys}
    return "".join(given[each] for each in (text.swapcase() if caps else text))


def _guesses(shop: Shop) -> int:
    with shop.deployment.database.read() as session:
        return session.scalar(select(func.count()).select_from(GuessCount)) or 0


def _link(shop: Shop, *vouchers: Issued) -> str:
    keyring = shop.deployment.keyring
    return links.page(
        shop.deployment.settings,
        keyring,
        [(from_serial(each.serial) or 0, keyring.newest) for each in vouchers],
    )


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("caps", [False, True])
@pytest.mark.parametrize("around", ["{}", "{}\r\n", "{}\t", "\x02{}\x03"])
def test_a_genuine_pass_is_good_on_a_host_of_any_layout(
    shop: Shop, till: Till, host: str, caps: bool, around: str
) -> None:
    shop.campaign(terms=MANY)
    for _ in range(8):
        barcode = shop.voucher().barcode
        answer = till.scan(around.format(typed(barcode, host, caps=caps)))
        assert answer["outcome"] == "accepted", answer
    assert _guesses(shop) == 0


@pytest.mark.parametrize(
    "forms",
    [
        lambda token: token.lower(),
        lambda token: f"]Q3{token}\r",
        lambda token: f"]d2{token}",
        lambda token: f"]L0{token}\n",
        lambda token: token + token,
        lambda token: token[3:],
        lambda token: "".join(chr(ord(each) + 0xFEE0) for each in token),
        lambda token: token[:8] + " " + token[8:],
    ],
)
def test_a_token_is_understood_in_every_form(
    shop: Shop, till: Till, forms: Callable[[str], str]
) -> None:
    shop.campaign(terms=MANY)
    assert till.redeem(forms(shop.voucher().barcode))["outcome"] == "accepted"


@pytest.mark.parametrize("host", [None, "QWERTZ", "AZERTY", "AZERTY of Belgium", "Dvorak"])
@pytest.mark.parametrize("caps", [False, True])
def test_the_pages_own_link_is_the_voucher(
    shop: Shop, till: Till, host: str | None, caps: bool
) -> None:
    shop.campaign(terms=MANY)
    voucher = shop.voucher()
    path = _link(shop, voucher).partition("//")[2].partition("/")[2]
    text = f"https://shop.example/{path}"
    if host is not None:
        text = typed(text, host, caps=caps)
    elif caps:
        text = text.swapcase()
    answer = till.redeem(text)
    assert answer["outcome"] == "accepted", text
    assert answer["redemptions"][0]["voucher"]["serial"] == voucher.serial


def test_a_withdrawn_link_and_one_to_several_redeem_nothing(shop: Shop, till: Till) -> None:
    shop.campaign(terms=MANY)
    one, other = shop.voucher(), shop.voucher()
    assert till.redeem(_link(shop, one, other))["reason"] == "ambiguous"
    with shop.deployment.database.write() as session:
        session.get_one(Voucher, one.id).link_withdrawn_at = dt.datetime.now(dt.UTC)
    assert till.redeem(_link(shop, one))["reason"] == "stale_barcode"
    assert till.redeem(one.barcode)["outcome"] == "accepted"
    assert shop.row(one).used == 1
    assert shop.row(other).used == 0
    assert _guesses(shop) == 0


ELEMENTS = "(01)09501101530003(21)AB-12(10)L7"


@pytest.mark.parametrize("stored", [ELEMENTS, "010950110153000321AB1210L7"])
@pytest.mark.parametrize(
    "read",
    [
        ELEMENTS,
        "0109501101530003" + "21AB-12\x1d10L7",
        "]C10109501101530003" + "21AB-12\x1d10L7\r\n",
        "]Q3\x1d0109501101530003" + "21AB-12\x1d10L7",
        "]d2010950110153000321AB-12<GS>10L7",
        "]e0010950110153000321AB-12^]10L7",
        "]C1(01)09501101530003(21)AB-12(10)L7",
    ],
)
def test_a_gs1_symbol_is_one_code_however_it_is_reported(
    shop: Shop, till: Till, stored: str, read: str
) -> None:
    shop.campaign(source=Source.LIST)
    shop.code(stored)
    assert till.redeem(read)["outcome"] == "accepted"


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("0012345678905", "012345678905"),
        ("012345678905", "0012345678905"),
        ("0012345678905", "]E00012345678905"),
        ("SUMMER20", "*SUMMER20*"),
        ("SUMMER20", "ＳＵＭＭＥＲ２０"),
        ("MAQUIS-2027", "?QAUIS)éàéè"),
        ("MAQUIS-2027", "MAQUIS=ěéěý"),
    ],
)
def test_a_bare_code_is_put_right_where_it_is_sure(
    shop: Shop, till: Till, stored: str, read: str
) -> None:
    shop.campaign(source=Source.LIST)
    shop.code(stored)
    assert till.redeem(read)["outcome"] == "accepted"


def test_a_code_that_exists_as_it_was_read_is_that_code(shop: Shop, till: Till) -> None:
    shop.campaign(source=Source.LIST)
    for code in ("LAZY20", "LAYZ20", "*X1*", "X1", "012345678905", "0012345678905"):
        shop.code(code)
        assert till.redeem(code)["outcome"] == "accepted"


def test_a_misreading_that_cannot_be_put_right_says_its_cause_and_is_no_guess(
    shop: Shop, till: Till
) -> None:
    shop.campaign(source=Source.LIST, terms=MANY)
    shop.code("LAZY-2026")
    shop.code("QUIZ-ABC")
    barcode = shop.voucher().barcode
    lost = typed(barcode[:20] + ("A" if barcode[20] != "A" else "B") + barcode[21:], "AZERTY")
    for _ in range(LIMITS["terminal"] + 1):
        qwertz = till.scan("LAYZ-2026")
    azerty, token = till.scan(typed("QUIZ-ABC", "AZERTY")), till.scan(lost)
    arabic = till.scan("شلاؤيثبلا" * 4)
    assert qwertz["reason"] == azerty["reason"] == token["reason"] == "scanner_layout"
    assert arabic["reason"] == "scanner_layout"
    assert "German (QWERTZ)" in qwertz["cashier_text"]
    assert "French (AZERTY)" in token["cashier_text"]
    assert _guesses(shop) == 0
    assert till.redeem("LAZY-2026")["outcome"] == "accepted"


def test_what_no_layout_explains_is_a_forgery_or_a_guess(shop: Shop, till: Till) -> None:
    shop.campaign()
    genuine = shop.voucher().barcode
    forged = genuine[:-1] + ("A" if genuine[-1] != "A" else "B")
    assert till.scan(forged)["reason"] == "bad_signature"
    assert _guesses(shop) > 0
    link = shop.deployment.keyring.token(
        Purpose.APPLE, key_id=shop.deployment.keyring.newest, public_id=1
    )
    assert till.scan(link)["reason"] == "bad_signature"
    assert till.scan("ABCDEFGHIJKLMNOPQRSTUVWXYZ234")["reason"] == "unknown_code"
    assert till.scan("NO-SUCH'CODE")["reason"] == "unknown_code"


def test_a_text_costs_a_bounded_number_of_looks(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring = shop.deployment.keyring
    tried: list[str] = []
    verify = type(keyring).verify
    monkeypatch.setattr(
        type(keyring),
        "verify",
        lambda self, text, purpose: tried.append(text) or verify(self, text, purpose),
    )
    barcode = keyring.token(Purpose.BARCODE, key_id=keyring.newest, public_id=7)
    assert resolving.read(keyring, barcode).public_id == 7
    assert len(tried) == 1
    tried.clear()
    resolving.read(keyring, "SUMMER2026")
    assert len(tried) == 1
    worst = resolving.read(keyring, (barcode[:-1] + "0") * 40 + "é")
    assert len(worst.lookups) + len(worst.mended) + len(worst.suspected) <= 10
    assert len(tried) < 700
