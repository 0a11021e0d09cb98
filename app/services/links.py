"""The addresses that mails carry: `/p/<token>`, of one voucher or of several of one message.

Whoever writes such an address writes it here. A token says nothing of whom a voucher is
for, cannot be guessed or altered, and is checked by itself, also as one of several; no set of
vouchers is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.codes import Purpose
from app.settings import Settings
from app.store.keyring import Keyring

#: Vouchers that a wallet takes in one go.
MOST_TOGETHER = 10
#: Stands between the tokens of a link to several: never escaped in an address, in no token.
TOGETHER = "."


def page(settings: Settings, keyring: Keyring, vouchers: Sequence[tuple[int, int]]) -> str:
    """The address of one voucher's page, or of one page for up to ten vouchers of one message.

    Args:
        vouchers: (public id, key id) of each, as its row has them.

    Raises:
        ValueError: none, or more than the ten that a wallet takes in one go.
    """
    if not 1 <= len(vouchers) <= MOST_TOGETHER:
        raise ValueError(f"A link opens 1 to {MOST_TOGETHER} vouchers, not {len(vouchers)}.")
    tokens = [
        keyring.token(Purpose.LINK, key_id=key_id, public_id=public_id)
        for public_id, key_id in vouchers
    ]
    return f"{settings.base_url}/p/{TOGETHER.join(tokens)}"
