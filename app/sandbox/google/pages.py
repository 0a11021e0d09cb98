"""What a person sees of the stand-in: Google's page that saves a pass, and a phone's wallet.

Promises: the wallet page shows what the stand-in holds now and renews itself every second, so that
one sees a pass change after a scan. Refuses: to look like Google.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from app.sandbox.android import ShownPass, drawn

__all__ = ["save_page", "wallet_page"]

_STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#eceff1;color:#1c2529}
main{max-width:24rem;margin:2rem auto;padding:0 1rem}
section{background:#fff;border-radius:1rem;padding:1rem 1.25rem;margin:1rem 0}
section{border-left:.5rem solid}
section.ACTIVE{border-color:#2e7d32}
section.COMPLETED,section.EXPIRED,section.INACTIVE{border-color:#90a4ae;color:#607d8b}
h2{margin:.2rem 0;font-size:1.1rem}
p{margin:.2rem 0}
code{word-break:break-all;font-size:.8rem}
button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:2rem;background:#1c2529;color:#fff}
"""
_WORDS = {
    "ACTIVE": "Valid",
    "COMPLETED": "Used",
    "EXPIRED": "Expired",
    "INACTIVE": "Withdrawn",
}


def save_page(jwt: str) -> bytes:
    """Return the page on which a customer agrees to save."""
    return _page(
        "Save this pass?",
        "<p>This is the sandbox's stand-in for Google Wallet.</p>"
        f'<form method="post" action="/phone/save/{escape(jwt)}">'
        "<button>Save to the phone</button></form>",
    )


def wallet_page(resources: Iterable[Mapping[str, Any]], notifications: Iterable[str]) -> bytes:
    """Return a phone's wallet: its passes as they are at this moment, and what rang."""
    cards = "".join(_card(drawn(each)) for each in resources)
    rang = "".join(f"<p>🔔 {escape(text)}</p>" for text in notifications)
    empty = "<p>No pass yet: open a customer's page and choose Google Wallet.</p>"
    return _page("An Android phone", (cards or empty) + rang, refresh=True)


def _card(one: ShownPass) -> str:
    balance = ""
    if one.balance_micros is not None:
        balance = (
            f"<p>Balance {one.balance_micros / 1_000_000:.2f} {escape(one.currency or '')}</p>"
        )
    return (
        f'<section class="{escape(one.state)}"><h2>{escape(one.title)}</h2>'
        f"<p><strong>{_WORDS.get(one.state, one.state)}</strong></p>{balance}"
        f"<p><code>{escape(one.barcode or '')}</code></p></section>"
    )


def _page(title: str, body: str, *, refresh: bool = False) -> bytes:
    again = '<meta http-equiv="refresh" content="1">' if refresh else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{again}<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    ).encode()
