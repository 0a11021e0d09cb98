"""Issuing vouchers: one each for recipient, campaign and occasion, by request or file."""

from app.services.issuing.files import Outcome, issue_file, issue_many, person_from
from app.services.issuing.vouchers import (
    CHUNK,
    Batch,
    Issued,
    IssueFault,
    Person,
    Stock,
    Wanted,
    code_of,
    issue,
    pin_of,
    stock,
)
from app.services.issuing.withdrawing import campaign_of, revoke, withdraw_link

__all__ = [
    "CHUNK",
    "Batch",
    "IssueFault",
    "Issued",
    "Outcome",
    "Person",
    "Stock",
    "Wanted",
    "campaign_of",
    "code_of",
    "issue",
    "issue_file",
    "issue_many",
    "person_from",
    "pin_of",
    "revoke",
    "stock",
    "withdraw_link",
]
