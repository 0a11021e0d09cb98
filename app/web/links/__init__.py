"""The customer's doors: `/p/<token>`, the page behind a personal link with its pass for each
wallet, and `/c/<campaign>/<invitation>`, an offer that becomes a voucher on a tap.

A GET issues nothing and changes nothing that a voucher grants or shows: mail scanners open links.
A link that is malformed, altered or unknown gets one and the same answer; a genuine one that was
withdrawn says so. What goes wrong is told as a page, in the visitor's language.
"""

from app.web.links.doors import register

__all__ = ["register"]
