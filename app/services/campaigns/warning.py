"""What a campaign may say and holders will not see as meant: said before it is applied.

A warning refuses nothing. It names the place and what to write, as a fault does.
"""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.campaign import Presentation
from app.services.campaigns.file.faults import Fault
from passes.text import WORD_LANGUAGES, speaks


def warnings_of(presentation: Presentation) -> list[Fault]:
    """Return what to look at twice in how a campaign looks and reads, each with its place."""
    return list(_of_languages(presentation))


def _of_languages(presentation: Presentation) -> Iterator[Fault]:
    for language in presentation.texts:
        if not speaks(language):
            known = ", ".join(sorted(WORD_LANGUAGES))
            yield Fault(
                f"texts.{language}",
                "has no labels and states of the pass in its language: “Valid until”, “Used” and"
                " their like will be in English there.",
                f"Keep it so, or write the campaign in one of {known}.",
            )
