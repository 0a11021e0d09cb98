"""The page behind a link: who sees what, in which language, with which headers; several at once."""

import base64
import datetime as dt
import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from sqlalchemy import select, update

from app.domain.campaign import ExtraField, Look, Presentation, Texts
from app.services import links
from app.services.deployment import Deployment
from app.store.models import Campaign, Event, GoogleObject, Voucher
from app.words import LANGUAGES
from tests.browser import ANDROID, DESKTOP, IPHONE
from tests.conftest import Clock
from tests.storefront import TEXTS, Storefront, days
from tests.verifying import is_genuine, pass_json

CHROME_ON_IPHONE = IPHONE.agent.replace("Version/18.1", "CriOS/131.0")


#: A campaign in every language of the pages.
EVERYWHERE = Presentation(texts=dict.fromkeys(LANGUAGES, TEXTS["en"]))


def _page(client: FlaskClient, link: str, agent: str = DESKTOP.agent, **headers: str) -> str:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with client.get(f"/p/{link}", headers={"User-Agent": agent, **names}) as answer:
        assert answer.status_code == 200
        return answer.text


def test_each_device_is_offered_its_own_wallet_and_a_desktop_both_and_the_way_to_the_phone(
    client: FlaskClient, storefront: Storefront
) -> None:
    link = storefront.voucher(storefront.campaign()).link
    words = LANGUAGES["en"].page

    def offered(agent: str) -> tuple[bool, ...]:
        html = _page(client, link, agent)
        texts = (words.add_apple, words.add_google, words.on_phone_title)
        return tuple(text in html for text in texts)

    assert offered(IPHONE.agent) == (True, False, False)
    assert offered(ANDROID.agent) == (False, True, False)
    assert offered(DESKTOP.agent) == (True, True, True)
    assert offered("") == (True, True, True)


@pytest.mark.parametrize(
    ("own", "accept", "query", "expected"),
    [
        # The campaign has English and French texts.
        ("fr", "de", "", "fr"),
        ("fra", "de", "", "fr"),
        ("fr_CA", "en", "", "fr"),
        (None, "fr-CH,en;q=0.8", "", "fr"),
        (None, "de-CH,en;q=0.8", "", "en"),
        ("pl", "es,fr;q=0.5", "", "fr"),
        ("pl", "ja", "", "en"),
        ("fr", "fr", "?lang=en", "en"),
        ("fr", "fr", "?lang=de", "fr"),
        ("fr", "de", "?lang=<script>", "fr"),
        (None, "*;q=0", "", "en"),
    ],
)
def test_a_page_is_in_one_language_that_the_campaign_has(
    client: FlaskClient,
    storefront: Storefront,
    own: str | None,
    accept: str,
    query: str,
    expected: str,
) -> None:
    link = storefront.voucher(storefront.campaign(), language=own).link
    html = _page(client, link + query, Accept_Language=accept)

    assert f'<html lang="{expected}">' in html
    assert LANGUAGES[expected].page.at_till in html
    assert TEXTS[expected].title in html
    assert not re.search(r"<article[^>]* lang=", html)
    # Only what the whole page can be read in is offered.
    assert set(re.findall(r'<li>\s*<(?:a href="\?lang=\w+"\s+|span )lang="(\w+)"', html)) == {
        "en",
        "fr",
    }


def test_several_vouchers_share_the_language_that_all_of_them_have(
    client: FlaskClient, storefront: Storefront
) -> None:
    both = storefront.campaign()
    german = {"de": Texts(title="Auf alles", offer="−20 %"), "fr": TEXTS["fr"]}
    other = storefront.campaign(presentation=Presentation(texts=german, default_language="de"))
    links = [storefront.voucher(each).link for each in (both, other)]
    html = _page(client, ".".join(links), Accept_Language="en,de;q=0.9")
    assert '<html lang="fr">' in html
    assert html.count(TEXTS["fr"].title) >= 2


def test_where_no_language_is_common_each_campaign_speaks_its_own(
    client: FlaskClient, storefront: Storefront
) -> None:
    swedish = {"sv": Texts(title="På allt", offer="−20 %")}
    campaign = storefront.campaign(presentation=Presentation(texts=swedish, default_language="sv"))
    html = _page(client, storefront.voucher(campaign).link, Accept_Language="it")
    assert '<html lang="it">' in html
    assert 'lang="sv"' in html
    assert LANGUAGES["it"].page.at_till in html


@pytest.mark.parametrize(
    ("agent", "says"),
    [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Mobile/15E148 Instagram 350.0.0.20 (iPhone15,2; iOS 18_1)",
            "in_app_iphone",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/480.0;FBDV/iPhone15,2]",
            "in_app_iphone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15; Pixel 9 Build/AP4A; wv) AppleWebKit/537.36 (KHTML, "
            "like Gecko) Version/4.0 Chrome/131.0 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/480.0]",
            "in_app_android",
        ),
        (IPHONE.agent, None),
        (ANDROID.agent, None),
        (DESKTOP.agent, None),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) CriOS/131.0 Mobile/15E148 Safari/604.1",
            None,
        ),
    ],
)
def test_an_apps_own_browser_says_that_no_wallet_opens_in_it_and_how_to_go_on(
    client: FlaskClient, storefront: Storefront, agent: str, says: str | None
) -> None:
    issued = storefront.voucher(storefront.campaign())
    html = _page(client, issued.link, User_Agent=agent)
    words = LANGUAGES["en"].page
    said = [
        name
        for name in ("in_app_iphone", "in_app_android")
        if str(escape(getattr(words, name))) in html
    ]
    assert said == ([says] if says else [])
    assert (f"/p/{issued.link}</code>" in html) is (says is not None)


def test_every_language_has_every_text_with_the_same_blanks() -> None:
    blanks = {
        tag: {
            name: sorted(re.findall(r"{\w+}", getattr(words.page, name)))
            for name in words.page.__slots__
            if getattr(words.page, name)
        }
        for tag, words in LANGUAGES.items()
    }
    assert all(each == blanks["en"] for each in blanks.values())
    assert len(blanks["en"]) == len(LANGUAGES["en"].page.__slots__)


@pytest.mark.parametrize(
    ("ends_at", "language", "expected"),
    [
        # Paris is an hour ahead: this is the end of 30 November there.
        (dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC), "en-GB", "30 November 2026<"),
        (dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC), "en-US", "November 30, 2026<"),
        (dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC), "fr", "jusqu’au 30 novembre 2026<"),
        (dt.datetime(2026, 11, 30, 17, 30, tzinfo=dt.UTC), "de", "30. November 2026, 18:30 CET<"),
    ],
)
def test_the_end_is_told_in_the_campaigns_zone_and_the_visitors_way(
    client: FlaskClient, storefront: Storefront, ends_at: dt.datetime, language: str, expected: str
) -> None:
    campaign = storefront.campaign(presentation=EVERYWHERE)
    issued = storefront.voucher(campaign, ends_at=ends_at)
    assert expected in _page(client, issued.link, Accept_Language=language)


def test_a_pass_names_the_last_day_of_its_validity_like_the_page(
    client: FlaskClient, storefront: Storefront
) -> None:
    issued = storefront.voucher(
        storefront.campaign(), ends_at=dt.datetime(2026, 11, 30, 23, 0, tzinfo=dt.UTC)
    )
    document = pass_json(client.get(f"/p/{issued.link}/apple").data)
    assert document["expirationDate"] == "2026-11-30T23:59:59+01:00"


_NOTICES = ("used", "spent", "revoked", "expired", "early", "blocked", "inactive", "paused")


def test_a_page_counts_the_uses_left_and_says_when_a_campaign_is_paused(
    client: FlaskClient, storefront: Storefront
) -> None:
    campaign = storefront.campaign()
    issued = storefront.voucher(campaign, uses=3, used=1)
    assert "2 / 3" in _page(client, issued.link)
    once = storefront.voucher(campaign)
    assert "1 / 1" not in _page(client, once.link)
    with storefront.deployment.database.write() as session:
        session.execute(update(Campaign).values(status="paused"))
    assert f"<h2>{LANGUAGES['en'].page.paused}</h2>" in _page(client, issued.link)


@pytest.mark.parametrize(
    ("kind", "changes", "said", "usable"),
    [
        ("coupon", {}, None, True),
        ("coupon", {"used": 1}, "used", False),
        ("gift_card", {"balance_minor": 0}, "spent", False),
        ("coupon", {"status": "revoked"}, "revoked", False),
        ("coupon", {"ends_at": days(-1)}, "expired", False),
        ("coupon", {"starts_at": days(1)}, "early", True),
        ("gift_card", {"status": "blocked"}, "blocked", True),
        ("gift_card", {"status": "pending", "balance_minor": 0}, "inactive", True),
    ],
)
def test_a_page_says_plainly_what_the_voucher_is_good_for(
    client: FlaskClient,
    storefront: Storefront,
    clock: Clock,
    kind: str,
    changes: dict[str, Any],
    said: str | None,
    usable: bool,
) -> None:
    changes = {
        name: clock.now + value if isinstance(value, dt.timedelta) else value
        for name, value in changes.items()
    }
    campaign = storefront.campaign(kind, presentation=EVERYWHERE)
    issued = storefront.voucher(campaign, **changes)
    for tag, words in LANGUAGES.items():
        html = _page(client, issued.link, Accept_Language=tag)
        notices = {name for name in _NOTICES if f"<h2>{getattr(words.page, name)}</h2>" in html}
        assert notices == ({said} if said else set())
        assert (issued.code in html) is usable
        assert (words.page.add_apple in html) is usable
        assert ("<svg" in html) is usable


def test_a_partners_code_is_shown_in_the_partners_name_and_colours_and_as_a_bare_code(
    client: FlaskClient, storefront: Storefront
) -> None:
    look = Look(background="#ffd75e", foreground="#2b2100", label="#4d3d00")
    issued = storefront.voucher(
        storefront.campaign(
            authority="partner",
            presentation=Presentation(texts=TEXTS, organization="Café Soleil", look=look),
        ),
        code="SOLEIL-7H4K",
    )
    html = _page(client, issued.link)

    assert LANGUAGES["en"].page.partner.format(organization="Café Soleil") in html
    assert "--pass:#ffd75e" in html
    # Our tills read tokens; a partner's read the partner's code.
    document = pass_json(client.get(f"/p/{issued.link}/apple").data)
    assert document["barcodes"][0]["message"] == "SOLEIL-7H4K"
    assert document["organizationName"] == "Café Soleil"


def test_what_a_marketer_writes_is_shown_as_text_never_as_markup(
    client: FlaskClient, storefront: Storefront
) -> None:
    texts = {"en": Texts(title="<b>x</b>", offer="<script>1</script>", terms="<img src=x>")}
    field = ExtraField(key="k", label={"en": "<i>"}, value={"en": "<u>"}, front=True)
    campaign = storefront.campaign(presentation=Presentation(texts=texts, fields=(field,)))
    html = _page(client, storefront.voucher(campaign).link)

    for markup in ("<b>x", "<script>1", "<img src=x", "<i>", "<u>"):
        assert markup not in html


def test_a_gift_cards_pin_is_on_the_page_only_behind_a_tap(
    client: FlaskClient, storefront: Storefront
) -> None:
    card = storefront.voucher(storefront.campaign("gift_card"), code="6034-1", pin="9876")
    html = _page(client, card.link)

    assert re.search(r"<details[^>]*>\s*<summary>Show PIN</summary>\s*<code>9876</code>", html)
    assert "€15.00" in html


def test_pages_are_private_strict_and_not_for_search_engines(
    client: FlaskClient, storefront: Storefront
) -> None:
    issued = storefront.voucher(storefront.campaign())
    for path, kind in (
        ("", "text/html; charset=utf-8"),
        ("/apple", "application/vnd.apple.pkpass"),
        ("/google", "text/html; charset=utf-8"),
        ("/code.png", "image/png"),
        ("/pass.png", "image/png"),
    ):
        answer = client.get(f"/p/{issued.link}{path}")
        head = client.head(f"/p/{issued.link}{path}")

        assert answer.headers["Cache-Control"] == "no-store"
        assert "noindex" in answer.headers["X-Robots-Tag"]
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        assert head.status_code == answer.status_code
        assert head.headers["Content-Type"] == kind
        assert head.data == b""
        if path != "/google":  # a link to Google is signed anew each time
            assert abs(int(head.headers["Content-Length"]) - len(answer.data)) < 64
    robots = client.get("/robots.txt").text
    assert "Disallow: /p/" in robots
    assert "Disallow: /\n" not in robots


def test_the_policy_admits_the_campaigns_colours_and_no_other_inline_style_or_script(
    client: FlaskClient, storefront: Storefront
) -> None:
    answer = client.get(f"/p/{storefront.voucher(storefront.campaign()).link}")
    policy = answer.headers["Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", answer.text)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()

    assert f"style-src 'self' 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert "script-src 'self';" in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)", answer.text)
    assert not re.search(r'\s(style|on\w+)="', answer.text)


def test_what_goes_wrong_is_a_page_for_people_and_a_problem_for_programs(
    client: FlaskClient,
) -> None:
    page = client.get("/p/x/y/z", headers={"Accept-Language": "de"})
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert LANGUAGES["de"].page.not_found in page.text
    assert client.post("/p/x").mimetype == "text/html"

    problem = client.get("/p/x", headers={"Accept": "application/json"})
    assert problem.mimetype == "application/problem+json"
    assert problem.get_json()["code"] == "link_unknown"


def test_several_vouchers_of_one_mail_are_added_in_one_tap(
    client: FlaskClient, storefront: Storefront, certs: Path
) -> None:
    issued = [storefront.voucher(storefront.campaign()) for _ in range(3)]
    used = storefront.voucher(storefront.campaign(), used=1)
    together = ".".join(each.link for each in (*issued, used))
    html = _page(client, together, IPHONE.agent)
    answer = client.get(f"/p/{together}/apple")

    assert LANGUAGES["en"].page.add_all_apple in html
    assert all(f'href="/p/{each.link}"' in html for each in (*issued, used))
    assert answer.mimetype == "application/vnd.apple.pkpasses"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        passes = [bundle.read(name) for name in bundle.namelist()]
    assert [pass_json(each)["serialNumber"] for each in passes] == [each.serial for each in issued]
    assert all(is_genuine(each, root=certs / "apple" / "root.pem") for each in passes)


def test_a_browser_that_cannot_take_a_bundle_gets_each_voucher_for_itself(
    client: FlaskClient, storefront: Storefront
) -> None:
    issued = [storefront.voucher(storefront.campaign()) for _ in range(2)]
    html = _page(client, ".".join(each.link for each in issued), CHROME_ON_IPHONE)

    assert "/apple" not in html
    assert all(f'href="/p/{each.link}"' in html for each in issued)


def test_a_link_to_several_opens_only_what_is_genuine_and_leaves_out_what_was_withdrawn(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    campaign = storefront.campaign()
    good, other = storefront.voucher(campaign), storefront.voucher(campaign)
    withdrawn = storefront.voucher(campaign, link_withdrawn_at=deployment.now())
    many = [storefront.voucher(campaign).link for _ in range(11)]

    assert good.code not in client.get(f"/p/{good.link}.{other.link[:-1]}a").text
    assert withdrawn.link not in _page(client, f"{good.link}.{withdrawn.link}")
    assert client.get(f"/p/{withdrawn.link}.{withdrawn.link}").status_code == 410
    assert client.get(f"/p/{'.'.join(many[:10])}").status_code == 200
    assert client.get(f"/p/{'.'.join(many)}").status_code == 404


def test_links_are_made_for_one_to_ten_vouchers(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    newest = deployment.keyring.newest
    issued = [storefront.voucher(storefront.campaign()) for _ in range(2)]
    link = links.page(
        deployment.settings, deployment.keyring, [(each.public_id, newest) for each in issued]
    )

    assert link == f"{deployment.settings.base_url}/p/{issued[0].link}.{issued[1].link}"
    for wrong in ([], [(1, newest)] * 11):
        with pytest.raises(ValueError, match="1 to 10"):
            links.page(deployment.settings, deployment.keyring, wrong)


def test_one_google_link_saves_several_once_google_has_them_and_names_no_secret(
    client: FlaskClient, storefront: Storefront, deployment: Deployment
) -> None:
    issued = [storefront.voucher(storefront.campaign("gift_card"), pin="9876") for _ in range(9)]
    issued.append(storefront.voucher(storefront.campaign()))
    together = ".".join(each.link for each in issued)
    waiting = client.get(f"/p/{together}/google")
    assert waiting.status_code == 503
    assert waiting.headers["Retry-After"] == "2"
    assert LANGUAGES["en"].page.google_later in waiting.text

    with deployment.database.write() as session:
        session.execute(
            update(GoogleObject).values(status="inserted", sent_voucher=1, sent_campaign=1)
        )
    target = client.get(f"/p/{together}/google").headers["Location"]
    claims = target.rsplit(".", 2)[1]
    payload = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["payload"]
    assert len(payload["giftCardObjects"]) == 9
    assert len(payload["offerObjects"]) == 1
    assert "98765432" not in json.dumps(payload)


def _events(deployment: Deployment, voucher_id: int) -> list[tuple[str, int | None]]:
    with deployment.database.read() as session:
        rows = session.execute(
            select(Event.kind, Event.number)
            .where(Event.voucher_id == voucher_id)
            .order_by(Event.number)
        )
        return [(kind, number) for kind, number in rows]


def test_a_look_by_a_person_is_an_event_once_an_hour_and_changes_nothing_else(
    client: FlaskClient, storefront: Storefront, deployment: Deployment, clock: Clock
) -> None:
    issued = storefront.voucher(storefront.campaign())
    for _ in range(3):
        _page(client, issued.link, IPHONE.agent)
    clock.advance(minutes=61)
    _page(client, issued.link, IPHONE.agent, Sec_Fetch_Mode="navigate")

    assert _events(deployment, issued.id) == [("viewed", 1), ("viewed", 2)]
    with deployment.database.read() as session:
        voucher = session.get_one(Voucher, issued.id)
        assert (voucher.events, voucher.version, voucher.used) == (2, 1, 0)
        event = session.scalars(select(Event)).first()
        assert event is not None
        assert event.data == {"device": "iphone"}


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"User-Agent": "WhatsApp/2.23.20.0 A"},
        {"User-Agent": "facebookexternalhit/1.1"},
        {"User-Agent": "python-requests/2.32"},
        {"User-Agent": ""},
        {"User-Agent": IPHONE.agent, "Sec-Purpose": "prefetch;prerender"},
        {"User-Agent": IPHONE.agent, "Sec-Fetch-Mode": "no-cors"},
    ],
)
def test_programs_that_open_links_are_not_counted(
    client: FlaskClient, storefront: Storefront, deployment: Deployment, headers: dict[str, str]
) -> None:
    issued = storefront.voucher(storefront.campaign())
    with client.get(f"/p/{issued.link}", headers=headers) as answer:
        assert answer.status_code == 200
    with client.head(f"/p/{issued.link}", headers={"User-Agent": IPHONE.agent}):
        pass
    assert _events(deployment, issued.id) == []


def test_official_buttons_replace_ours_in_the_languages_that_have_one(
    client: FlaskClient, app: Flask, storefront: Storefront, tmp_path: Path
) -> None:
    (tmp_path / "wallets").mkdir()
    (tmp_path / "wallets" / "apple-en.svg").write_text("<svg/>")
    app.static_folder = str(tmp_path)
    link = storefront.voucher(storefront.campaign()).link

    english = _page(client, link)
    assert 'src="/static/wallets/apple-en.svg"' in english
    assert english.count("static/wallets") == 1
    assert "static/wallets" not in _page(client, link + "?lang=fr")
