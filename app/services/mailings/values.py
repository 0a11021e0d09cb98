"""Values answer a template's functions for a voucher: a real one, a sample, or none."""

from __future__ import annotations

import html
from dataclasses import dataclass

from markupsafe import Markup

from app.services import wallets

#: Functions of a template; each takes the key of a campaign.
FUNCTIONS = ("promotional_code", "wallet_link", "wallet_buttons", "barcode")
#: Those after which the code itself is in the text, were it as the name of a picture.
SHOWS_CODE = frozenset({"promotional_code", "barcode"})


@dataclass(slots=True)
class Values:
    """What the functions of a template say of one voucher."""

    address: str
    picture: str
    code: str
    is_html: bool

    def promotional_code(self) -> str:
        """The code itself, as text."""
        return self.code

    def wallet_link(self) -> str:
        """The address of the customer's page, from which the pass is added."""
        return self.address

    def wallet_buttons(self) -> str:
        """Links that add the pass to Apple Wallet and to Google Wallet: two addresses in plain
        text, two links in HTML.
        """
        if not self.is_html:
            return "\n".join(f"{self.address}/{wallet.name}" for wallet in wallets.WALLETS)
        address = html.escape(self.address, quote=True)
        links = (
            f'<a href="{address}/{wallet.name}">{html.escape(wallet.title)}</a>'
            for wallet in wallets.WALLETS
        )
        return Markup(" ".join(links))  # noqa: S704 - address and titles are escaped above

    def barcode(self) -> str:
        """A picture of the barcode: its address in plain text, an image in HTML."""
        if not self.is_html:
            return self.picture
        picture = html.escape(self.picture, quote=True)
        code = html.escape(self.code, quote=True)
        return Markup(f'<img src="{picture}" alt="{code}" width="200">')  # noqa: S704


class Sample(Values):
    """A voucher that does not exist, for previews."""

    def __init__(self, *, is_html: bool) -> None:
        address = "https://example.invalid/p/preview"
        super().__init__(address, f"{address}/code.png", "SAMPLE-CODE", is_html)


class Nothing(Values):
    """What the rules gave nobody: every function is empty, so that a template can ask."""

    def __init__(self) -> None:
        super().__init__("", "", "", is_html=False)

    def wallet_buttons(self) -> str:
        return ""

    def barcode(self) -> str:
        return ""
