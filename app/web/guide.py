"""The guide, for whoever runs, integrates or uses the service: `/guide` and `/guide/<page>`.

The pages are the Markdown files of `app.guide`. The first request for a page renders it; HTML in a
file is shown as text. A link to another page's file becomes a link to that page's address.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, Flask, Response, render_template, request

from app.web import problems
from app.web.links.visitors import prefers_json
from app.web.problem_codes import ProblemCode
from app.web.problems import Problem

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

blueprint = Blueprint("guide", __name__, url_prefix="/guide")

#: The pages in the order in which the guide lists them, by section: each is a file of `app.guide`.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Guide": ("start", "marketers", "stores", "operators", "changes"),
    "Reference": (
        "campaign-file",
        "templates",
        "operations",
        "problems",
        "refusals",
        "events",
        "settings",
        "metrics",
        "commands",
    ),
    "Contributing": ("how-it-is-built", "how-to-add"),
}

#: How long a browser keeps a page before it asks whether there is a newer one, in seconds.
_KEPT_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of a page: its level (2 or 3), its anchor and its text."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuidePage:
    """A rendered page: its title, its first paragraph as text, its HTML and its headings."""

    name: str
    title: str
    summary: str
    html: str
    contents: tuple[Heading, ...]


def page(name: str) -> GuidePage | None:
    """Render a page of the guide, once; None where there is none of that name."""
    # What does not exist is not kept: there are as many names of it as anybody likes to send.
    listed = any(name in pages for pages in SECTIONS.values())
    return _rendered(name) if listed else None


@cache
def _rendered(name: str) -> GuidePage:
    text = (files("app.guide") / f"{name}.md").read_text(encoding="utf-8")
    renderer = markdown()
    tokens = renderer.parse(text)
    headings = [
        Heading(int(token.tag[1]), str(token.attrGet("id")), _text(tokens[at + 1]))
        for at, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    paragraphs = (
        _text(tokens[at + 1]) for at, token in enumerate(tokens) if token.type == "paragraph_open"
    )
    return GuidePage(
        name=name,
        title=next((each.text for each in headings), name),
        summary=next(paragraphs, ""),
        html=renderer.renderer.render(tokens, renderer.options, {}),
        contents=tuple(each for each in headings if each.level in (2, 3)),
    )


def markdown(*, relinks: bool = True) -> MarkdownIt:
    """Return the renderer of the pages.

    Args:
        relinks: whether links to files of pages become links to the pages, as when they are served.
    """
    # Few processes ever show a page: the libraries load with the first one, not with each start.
    from markdown_it import MarkdownIt
    from mdit_py_plugins.anchors import anchors_plugin

    found = MarkdownIt("commonmark", {"html": False}).enable("table")
    # Anchors are those that repository browsers give, so that a link works there, too.
    found.use(anchors_plugin, max_level=4)
    if relinks:
        found.core.ruler.push("pages", lambda state: _relink(state.tokens))
    found.add_render_rule("table_open", _table_open)
    found.add_render_rule("table_close", lambda *_: "</table></div>\n")
    found.add_render_rule("fence", _fence)
    return found


def _relink(tokens: list[Token]) -> None:
    """Let links to the files of pages lead to the pages, relative to `/guide/`."""
    for block in tokens:
        for token in block.children or ():
            target = urlsplit(str(token.attrGet("href") or ""))
            if token.type == "link_open" and not target.scheme and target.path.endswith(".md"):
                anchor = f"#{target.fragment}" if target.fragment else ""
                token.attrSet("href", target.path.removesuffix(".md") + anchor)


def _table_open(*_: object) -> str:
    # Keys can scroll what is wider than a phone.
    return '<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>\n'


def _fence(_: object, tokens: list[Token], index: int, *__: object) -> str:
    from markdown_it.common.utils import escapeHtml

    return f'<pre tabindex="0"><code>{escapeHtml(tokens[index].content)}</code></pre>\n'


def _text(inline: Token) -> str:
    """What a reader sees of a line of Markdown, without its marks."""
    return "".join(
        " " if each.type == "softbreak" else each.content
        for each in inline.children or ()
        if each.type in ("text", "code_inline", "softbreak")
    )


def _sections() -> dict[str, list[GuidePage]]:
    listed = {
        title: [found for name in names if (found := page(name)) is not None]
        for title, names in SECTIONS.items()
    }
    return {title: pages for title, pages in listed.items() if pages}


@blueprint.get("/", strict_slashes=False)
def index() -> Response:
    """The list of the guide's pages."""
    return _kept(render_template("guide/index.html", sections=_sections()))


@blueprint.get("/<name>")
def show(name: str) -> Response:
    """One page of the guide."""
    found = page(name)
    if found is None:
        raise Problem(
            ProblemCode.NOT_FOUND,
            cause="The guide has no such page.",
            remedy="Choose one of its list, /guide.",
        )
    return _kept(render_template("guide/page.html", page=found, sections=_sections()))


def _kept(html: str) -> Response:
    """The answer with a page that is the same for everybody."""
    answer = Response(html)
    answer.headers["Cache-Control"] = f"public, max-age={_KEPT_SECONDS}"
    answer.add_etag()
    answer.make_conditional(request)
    return answer


def _missing(problem: Problem) -> Response | None:
    """The page for a problem at the guide's addresses; None elsewhere and for programs."""
    if not request.path.startswith("/guide/") or prefers_json(request.accept_mimetypes):
        return None
    html = render_template("guide/missing.html", problem=problem, sections=_sections())
    return Response(html, problem.status, headers=problem.headers)


def register(app: Flask) -> None:
    """Put the doors of this module into `app`."""
    app.register_blueprint(blueprint)
    problems.shown_as_page(app, _missing)
