"""Every setting with its default and its meaning."""

from __future__ import annotations

import dataclasses
from typing import Any

from app.settings import Settings
from tests.reference.markdown import code, paragraph, table


def page() -> str:
    rows = []
    for field in dataclasses.fields(Settings):
        name = f"PASSERELLE_{field.name.upper()}"
        # What `repr` does not show is a secret, and a secret may come from a file.
        shown = code(name) + ("" if field.repr else " ●")
        rows.append((shown, _default(field), field.metadata["meaning"]))
    return "\n".join(
        [
            "# Settings\n",
            paragraph("This page lists every setting with its default and its meaning."),
            paragraph(
                "A setting is an environment variable. All faults of the settings are reported at "
                "once when a process starts, each with what to write instead. A variable that "
                "begins with `PASSERELLE_` and is no setting is refused, because a misspelt one "
                "would leave its default in force without a word."
            ),
            paragraph(
                "Those marked ● may hold a secret. They may also be read from a file: "
                "`PASSERELLE_MASTER_KEYS_FILE=/run/secrets/master_keys`."
            ),
            table(("setting", "default", "meaning"), rows),
        ]
    )


def _default(field: dataclasses.Field[Any]) -> str:
    if field.name == "master_keys":
        return "a development key"
    value = field.default
    if value in (None, ()):
        return "none"
    if isinstance(value, bool):
        return code("yes" if value else "no")
    return code(value)
