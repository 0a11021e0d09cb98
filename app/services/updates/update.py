"""What a marketer asks for, and what may be wrong with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.overrides import Override
from app.faults import Fault


class UpdateFault(Fault):
    """An update that cannot be made; `code` is its stable name, the text says cause and remedy."""

    def __init__(self, code: str, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy, code=code)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """What an update changes.

    Args:
        presentation: members of the presentation, to be laid over the latest one.
        message: a text by language, shown on the pass and announced by the phone.
        override: terms for all holders, where those are better than their own or forced.
        at: when it is published; None is now.
    """

    presentation: Mapping[str, Any] | None = None
    message: Mapping[str, str] | None = None
    override: Override | None = None
    at: dt.datetime | None = None
