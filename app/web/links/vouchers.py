"""`/p/<token>`: a voucher's page, its pass for each wallet, its pictures.

`/p/<token>.<token>…` is the page of up to ten vouchers of one message, which are added together.
Each token is checked like a link of its own; of several, those that were withdrawn are left out.
A look by a person is recorded after the page is sent, so that it costs the visitor nothing.
"""

from __future__ import annotations

import structlog
from flask import Blueprint, Flask, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from app.domain.codes import Purpose
from app.services import wallets
from app.services.links import MOST_TOGETHER, TOGETHER
from app.services.wallets import holdings, visits
from app.services.wallets.content import pass_content, template_for
from app.services.wallets.holdings import Holding
from app.services.wallets.wallet import PassFile, TryAgain, Wallet
from app.store.session import Unavailable
from app.web import deployment
from app.web.links import answers, pages
from app.web.links.answers import Spoken
from app.web.links.visitors import Device, Visitor, visitor
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem
from app.words import LANGUAGES
from passes import barcode
from passes.language import closest, regional

blueprint = Blueprint("links", __name__)


@blueprint.get("/p/<tokens>")
def page(tokens: str) -> Response:
    """The voucher as a page, or the vouchers of one message."""
    guest = visitor(request)
    found = _opened(tokens)
    first = found[0][1]
    own = first.recipient.language if first.recipient else None
    language = answers.spoken(guest, *(_languages(each) for _, each in found), own=own)
    cards = tuple(_card(token, each, guest, language) for token, each in found)
    single = TOGETHER not in tokens
    good = TOGETHER.join(each.token for each in cards if not each.spent)
    html = answers.page(
        "voucher.html" if single else "vouchers.html",
        language=language,
        cards=cards,
        tokens=good,
        device=guest.device,
        buttons=_buttons(guest, language, several=TOGETHER in good, all_of_page=not single),
        in_app=guest.in_app,
        address=f"{deployment().settings.base_url}/p/{tokens}",
        phone=_phone_code(tokens, guest, cards),
        organization=cards[0].organization,
    )
    answer = answers.private(Response(html, mimetype="text/html"), cards=cards)
    _count(answer, found, guest)
    return answer


def add(tokens: str, wallet: str) -> BaseResponse:
    """Hand out the pass for a wallet, or several in one go: a file, or an address to go on to."""
    house = deployment()
    found = _worth_adding(_opened(tokens))
    given = _wallet(wallet).add(house, [each for _, each in found], now=house.now())
    if isinstance(given, TryAgain):
        raise Problem(
            ProblemCode.WALLET_WAITING,
            cause=given.cause,
            remedy="Try again in a few seconds.",
            headers={"Retry-After": str(max(1, round(given.after.total_seconds())))},
        )
    if isinstance(given, PassFile):
        answer = Response(given.data, mimetype=given.media_type)
        answer.headers["Content-Disposition"] = f'attachment; filename="{given.name}"'
        return answers.private(answer)
    onward = redirect(given.url)
    onward.headers["Cache-Control"] = "no-store"
    onward.headers["X-Robots-Tag"] = "noindex, nofollow"
    return onward


def add_doors(app: Flask) -> None:
    """Put a door for each wallet into `app`, under the wallet's name."""
    for wallet in wallets.WALLETS:
        app.add_url_rule(
            f"/p/<tokens>/{wallet.name}", "links.add", add, defaults={"wallet": wallet.name}
        )


@blueprint.get("/p/<token>/code.png")
def code_picture(token: str) -> Response:
    """The barcode as a picture, for mails and for people without a wallet."""
    house = deployment()
    content = pass_content(house, _one(token), now=house.now())
    if content.barcode is None or content.status.spent:
        raise answers.unknown()
    drawn = barcode.png(content.barcode.payload, content.barcode.symbology)
    return answers.private(Response(drawn, mimetype="image/png"))


@blueprint.get("/p/<token>/pass.png")
def pass_picture(token: str) -> Response:
    """The pass as a wallet draws it, for mails: the one that `?wallet=` names, or the device's."""
    house = deployment()
    guest = visitor(request)
    holding = _one(token)
    content = pass_content(house, holding, now=house.now())
    own = holding.recipient.language if holding.recipient else None
    spoken = content.presentation.languages
    offered = [wallet for wallet in wallets.WALLETS if guest.device in wallet.devices]
    # A name that no wallet has, as in a mail that was typed by hand, gets a picture all the same.
    wallet = wallets.named(request.args.get("wallet") or offered[0].name) or wallets.WALLETS[0]
    drawn = wallet.picture(content, language=closest(spoken, guest.wanted(own=own)) or spoken[0])
    return answers.private(Response(drawn, mimetype="image/png"))


@blueprint.get("/p/<token>/<any(logo, banner):name>.png")
def picture(token: str, name: str) -> Response:
    """The campaign's logo or banner, as large as the page shows it on a sharp screen."""
    template = template_for(deployment(), _one(token))
    return answers.picture(template.presentation.design.artwork, name)


def _opened(tokens: str) -> list[tuple[str, Holding]]:
    """The vouchers that a link opens, each with its own token, in the link's order.

    Raises:
        Problem: 404, the same for whatever is not a genuine link; 410 for one that was withdrawn.
    """
    house = deployment()
    texts = list(dict.fromkeys(tokens.split(TOGETHER)))
    genuine = [house.keyring.verify(text, Purpose.LINK) for text in texts[: MOST_TOGETHER + 1]]
    if len(genuine) > MOST_TOGETHER or None in genuine:
        raise answers.unknown()
    with house.database.read() as session:
        found = holdings.find_all(session, [each.public_id for each in genuine if each])
    # A key that leaked and was replaced must not open what was issued under its successor.
    if [each.voucher.key_id for each in found] != [each.key_id for each in genuine if each]:
        raise answers.unknown()
    good = [
        pair for pair in zip(texts, found, strict=True) if pair[1].voucher.link_withdrawn_at is None
    ]
    if not good:
        raise Problem(ProblemCode.LINK_WITHDRAWN)
    if any(each.voucher.replaced_by_id is not None for _, each in good):
        return _replaced(good)
    return good


def _replaced(found: list[tuple[str, Holding]]) -> list[tuple[str, Holding]]:
    """The same with each card that was replaced given up for the one that has its money now."""
    house = deployment()
    with house.database.read() as session:
        present = [holdings.current(session, each) for _, each in found]
    tokens = [
        house.keyring.token(
            Purpose.LINK, key_id=each.voucher.key_id, public_id=each.voucher.public_id
        )
        for each in present
    ]
    return list(zip(tokens, present, strict=True))


def _one(token: str) -> Holding:
    if TOGETHER in token:
        raise answers.unknown()
    return _opened(token)[0][1]


def _wallet(name: str) -> Wallet:
    found = wallets.named(name)
    if found is None:
        raise answers.unknown()
    return found


def _buttons(
    guest: Visitor, language: Spoken, *, several: bool, all_of_page: bool
) -> list[pages.WalletButton]:
    """Return a button for each wallet that the visitor's device has."""
    words = LANGUAGES[language.page].page
    prefix = "add_all" if all_of_page else "add"
    return [
        pages.WalletButton(
            wallet=wallet.name,
            # A wallet for which a language has no words of its own is called by its title.
            label=getattr(words, f"{prefix}_{wallet.name}", wallet.title),
        )
        for wallet in wallets.WALLETS
        if (not several or guest.takes_bundles or not wallet.bundles_need_browser)
        and guest.device in wallet.devices
    ]


def _worth_adding(found: list[tuple[str, Holding]]) -> list[tuple[str, Holding]]:
    """Of several, those that are still good for something; all when none is."""
    if len(found) == 1:
        return found
    now = deployment().now()
    return [pair for pair in found if not pair[1].status(now).spent] or found


def _languages(holding: Holding) -> tuple[str, ...]:
    """The languages of a voucher's texts, the default first."""
    presentation = holding.presentation
    default = presentation.default_language
    return (default, *(each for each in presentation.texts if each != default))


def _card(token: str, holding: Holding, guest: Visitor, language: Spoken) -> pages.Card:
    house = deployment()
    content = pass_content(house, holding, now=house.now())
    own = holding.recipient.language if holding.recipient else None
    return pages.card(
        holding,
        content,
        token=token,
        words=LANGUAGES[language.page].page,
        locale=regional(language.page, guest.wanted(own=own)),
        language=language.among(content.presentation.languages),
        pictures=f"/p/{token}",
    )


def _phone_code(tokens: str, guest: Visitor, cards: tuple[pages.Card, ...]) -> str | None:
    """The QR with which a desktop's visitor goes on with the phone."""
    if guest.device is not Device.DESKTOP or all(each.spent for each in cards):
        return None
    # Longer addresses make a QR too fine for a screen; then each voucher's page has its own.
    if tokens.count(TOGETHER) > 2:
        return None
    return pages.phone_code(f"{deployment().settings.base_url}/p/{tokens}")


def _count(answer: Response, found: list[tuple[str, Holding]], guest: Visitor) -> None:
    """Record the look once the page is on its way."""
    house = deployment()
    now = house.now()
    seen = [each.voucher.id for _, each in found if guest.person and visits.due(each, now=now)]
    if not seen:
        return

    def record() -> None:
        try:
            visits.record_views(house.database, seen, device=guest.device, now=now)
        except Unavailable as fault:
            # A look that goes uncounted harms nobody; the page was served.
            structlog.get_logger().warning("view_not_recorded", cause=str(fault))

    answer.call_on_close(record)
