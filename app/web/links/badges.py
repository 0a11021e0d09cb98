"""The wallets' official buttons, if the operator has put them there; see static/wallets/README.md.

Their makers let issuers use the artwork but not pass it on, so the package has none and the pages
draw neutral buttons. A file `<wallet>-<language>.svg` (or `.png`), such as `apple-en.svg`, replaces
the neutral one; a language without a file keeps it, because a button in another language
is worse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_NAME = re.compile(r"([a-z]+)-([a-z]{2})\.(svg|png)")


def found(folder: Path) -> Mapping[tuple[str, str], str]:
    """File names in `folder` by (wallet, language); nothing when there is no such folder."""
    if not folder.is_dir():
        return {}
    names = (_NAME.fullmatch(each.name) for each in sorted(folder.iterdir()))
    return {(name[1], name[2]): name[0] for name in names if name}
