"""Google's side of delivery: the REST client and everything that is sent through it."""

from .oauth import AccessTokens
from .rest import Answer, Change, Collection, Verdict, WalletApi, backoff, outcome

__all__ = [
    "AccessTokens",
    "Answer",
    "Change",
    "Collection",
    "Verdict",
    "WalletApi",
    "backoff",
    "outcome",
]
