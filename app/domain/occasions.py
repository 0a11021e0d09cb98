"""An occasion says why a recipient gets a voucher of a campaign this time.

Most are named by who asks: a basket's number, a mailing. A mailing goes by its id alone or with the
prefix under which messages store it; both are one occasion, so that what was decided for a mail and
what its variable shows are one voucher.
"""

from __future__ import annotations

from collections.abc import Iterable

_MESSAGE = "message:"


def of_message(message_id: str) -> str:
    """The occasion of a mailing, as it is stored."""
    return _MESSAGE + message_id


def canonical(occasion: str) -> str:
    """The one name of an occasion, by which two are compared."""
    return occasion.removeprefix(_MESSAGE)


def spellings(occasions: Iterable[str]) -> set[str]:
    """Every name under which these occasions may be stored."""
    names = {canonical(each) for each in occasions}
    return names | {of_message(name) for name in names if name}
