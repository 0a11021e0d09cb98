"""Passes in wallets: what a voucher shows there, where it is held, and what is owed to it.

`holdings` reads a voucher with all that its pass is made of, `content` makes one content of it for
every wallet and page, `apple` and `google` have what is a wallet's own, and `health` says how far
all of them are. What holders see follows the campaign's latest revision; what they were granted is
their own revision's, so a holder whose benefit differs from the newest keeps reading the offer that
the till will honour. A pass's state is the pair (voucher version, campaign version) that was read
*before* it was built; whoever records a delivery records that pair.

Whoever has something to do with passes in wallets goes through `WALLETS`, as `wallets.WALLETS`. A
new wallet is a folder here with a `Wallet` in it and its place in that tuple; besides, one module
in `passes`, one in `app.delivery`, and one in `app.web` if the wallet calls back.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.services.wallets.apple.wallet import Apple
from app.services.wallets.google.wallet import Google
from app.services.wallets.wallet import Edit, Forecast, Wallet
from app.settings import Settings

WALLETS: tuple[Wallet, ...] = (Apple(), Google())


def named(name: str) -> Wallet | None:
    """Return the wallet of that name; None if there is none."""
    return next((wallet for wallet in WALLETS if wallet.name == name), None)


def forecast(
    session: Session, campaign_key: str, edit: Edit, *, settings: Settings
) -> dict[str, Forecast]:
    """Say what an edit of a campaign costs, by the names of wallets whose rate is limited."""
    found = (
        (wallet.name, wallet.forecast(session, campaign_key, edit, settings=settings))
        for wallet in WALLETS
    )
    return {name: cost for name, cost in found if cost is not None}
