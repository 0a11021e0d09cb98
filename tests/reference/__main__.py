"""Writes the reference pages: `python -m tests.reference`, or those that it is given by name."""

from __future__ import annotations

import sys

from tests.reference import FOLDER, PAGES, written

for name in sys.argv[1:] or PAGES:
    (FOLDER / f"{name}.md").write_text(written(name), encoding="utf-8")
    print(f"app/guide/{name}.md")  # noqa: T201
