"""A change laid over a stored presentation, and refused where it names what does not exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from app.domain.campaign import Presentation
from app.services.campaigns.shared import MESSAGE_FIELD
from app.services.updates.update import UpdateFault

PRESENTATION: TypeAdapter[Presentation] = TypeAdapter(Presentation)


def laid_over(presentation: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The stored presentation with a change laid over it, checked."""
    patch = change.get("presentation") or {}
    merged = _merge(presentation, patch)
    if message := change.get("message"):
        others = [each for each in merged.get("fields", ()) if each.get("key") != MESSAGE_FIELD]
        merged["fields"] = [{"key": MESSAGE_FIELD, "value": dict(message)}, *others]
    try:
        found: dict[str, Any] = PRESENTATION.dump_python(
            PRESENTATION.validate_python(merged), mode="json"
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise UpdateFault(
            "invalid_presentation",
            f"presentation.{'.'.join(map(str, first['loc']))}: {first['msg']}.",
            "Write it as the campaign's own presentation is written.",
        ) from None
    if unknown := _unknown(patch, found):
        raise UpdateFault(
            "invalid_presentation",
            f"presentation.{unknown} does not exist.",
            "Write it as the campaign's own presentation is written.",
        )
    return found


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = (
            _merge(below, value)
            if isinstance(below, Mapping) and isinstance(value, Mapping)
            else value
        )
    return merged


def _unknown(patch: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The path of the first member of the patch that the checked result does not have."""
    for name, value in patch.items():
        if name not in found:
            return name
        below = found[name]
        if (
            isinstance(value, Mapping)
            and isinstance(below, Mapping)
            and (inner := _unknown(value, below))
        ):
            return f"{name}.{inner}"
    return ""
