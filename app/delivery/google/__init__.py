"""Google's side of delivery: the REST client and everything that is sent through it."""

from .oauth import AccessTokens
from .rest import Collection, GoogleAnswer, Patch, ResourceVerdict, WalletApi, backoff, outcome

__all__ = [
    "AccessTokens",
    "Collection",
    "GoogleAnswer",
    "Patch",
    "ResourceVerdict",
    "WalletApi",
    "backoff",
    "outcome",
]
