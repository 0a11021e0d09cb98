"""How the customer's doors answer: private pages, and faults as pages in the visitor's language.

Nothing here is kept by caches or found by search engines, since an address is all it takes to use
a voucher. A program that asks for JSON gets a problem, as from every other door.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Response, current_app, render_template, request
from markupsafe import Markup

from app.web import deployment, policy
from app.web.links import badges, pages
from app.web.links.visitors import Visitor, prefers_json, visitor
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem
from app.words import DEFAULT, LANGUAGES
from app.words.catalogue import PageWords
from passes.artwork import Artwork
from passes.language import closest, direction, primary, running

PATHS = ("/p/", "/c/")

#: What a person reads for a problem's code; others go by their status.
_SAID = {
    "link_withdrawn": lambda words: (words.link_withdrawn, words.link_withdrawn_more),
    "wallet_waiting": lambda words: (words.google_later, words.google_later_more),
    "offer_ended": lambda words: (words.offer_ended, words.offer_ended_more),
    "sold_out": lambda words: (words.sold_out, words.sold_out_more),
}
#: Statuses after which trying the same again may work.
_PASSING = (429, 503)


def page(
    template: str, *, language: Spoken, cards: tuple[pages.Card, ...] = (), **values: Any
) -> str:
    """A page as HTML."""
    return render_template(
        f"links/{template}",
        language=language.page,
        words=LANGUAGES[language.page].page,
        turned=_turned,
        running=running,
        languages=pages.languages(language.page, language.offered),
        badges=_badges(),
        cards=cards,
        style=pages.colours(cards),
        **values,
    )


def _turned(tag: str, around: str = DEFAULT) -> Markup:
    """The attribute that turns a text in the language `tag`, if what is around it runs the other
    way.
    """
    way = direction(tag)
    return Markup(' dir="{}"').format(way) if way != direction(around) else Markup()


def private(answer: Response, *, cards: tuple[pages.Card, ...] = ()) -> Response:
    """The answer with the headers of a personal page; `cards` are those whose colours it shows."""
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    if answer.mimetype == "text/html":
        answer.headers["Vary"] = "Accept-Language, User-Agent"
        if cards:
            style = pages.colours(cards)
            answer.headers["Content-Security-Policy"] = policy.admitting(style)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The language of a page, chosen once, and those that it could have instead."""

    page: str
    offered: tuple[str, ...]
    _wanted: tuple[str, ...]

    def among(self, languages: Sequence[str]) -> str:
        """Of a campaign's languages, the page's; in the region that the reader wants, if any."""
        regional = [tag for tag in self._wanted if primary(tag) == self.page]
        return closest(languages, (*regional, self.page)) or languages[0]


def spoken(guest: Visitor, *campaigns: Sequence[str], own: str | None = None) -> Spoken:
    """Choose the language of a page: one that the page and every campaign on it speak.

    What was chosen on the page comes first, then the recipient's `own`, the browser's, and the
    campaign's default. Where there is no language that all of them speak, each speaks its own.

    Args:
        campaigns: the languages of each campaign on the page, its default first.
    """
    wanted = guest.wanted(own=own)
    offered = tuple(
        tag for tag in LANGUAGES if all(closest(each, [tag]) is not None for each in campaigns)
    )
    defaults = [each[0] for each in campaigns]
    language = closest(offered or LANGUAGES, (*wanted, *defaults, "en"))
    return Spoken(
        page=language or (offered or tuple(LANGUAGES))[0],
        offered=offered or tuple(LANGUAGES),
        _wanted=wanted,
    )


#: Apple's names of the two pictures that the pages show, at twice their size.
_PICTURES = {"logo": "logo@2x.png", "banner": "strip@2x.png"}


def picture(artwork: Artwork | None, name: str) -> Response:
    """A campaign's logo or banner, which shows nothing personal and so may be kept a while."""
    data = artwork.files.get(_PICTURES[name]) if artwork is not None else None
    if data is None:
        raise unknown()
    answer = private(Response(data, mimetype="image/png"))
    answer.headers["Cache-Control"] = "private, max-age=3600"
    return answer


def unknown() -> Problem:
    """The one answer for whatever is not a genuine link."""
    return Problem(ProblemCode.LINK_UNKNOWN)


def fault_page(problem: Problem) -> Response | None:
    """The page for a problem at one of these doors; None elsewhere and for programs."""
    if not request.path.startswith(PATHS) or prefers_json(request.accept_mimetypes):
        return None
    guest = visitor(request)
    language = spoken(guest)
    title, text = _said(problem, LANGUAGES[language.page].page)
    answer = Response(
        page(
            "message.html",
            language=language,
            title=title,
            text=text,
            again=request.path if problem.status in _PASSING else None,
            organization=deployment().settings.organization,
        ),
        problem.status,
        mimetype="text/html",
    )
    answer.headers.update(problem.headers)
    return private(answer)


def _said(problem: Problem, words: PageWords) -> tuple[str, str]:
    said = _SAID.get(problem.code)
    if said is not None:
        return said(words)
    if problem.status in _PASSING:
        return words.busy, words.busy_more
    if problem.status >= 500:
        return words.fault, words.fault_more
    return words.not_found, words.not_found_more


def _badges() -> Any:
    """The official buttons, looked for once in the life of an application."""
    kept = current_app.extensions.get("passerelle_badges")
    if kept is None:
        folder = Path(current_app.static_folder or "") / "wallets"
        kept = current_app.extensions["passerelle_badges"] = badges.found(folder)
    return kept
