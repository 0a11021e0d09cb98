"""Issuing vouchers: one each for recipient, campaign and occasion, by request, file or birthday."""

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
    link,
    pin_of,
    stock,
)

__all__ = [
    "CHUNK",
    "Batch",
    "IssueFault",
    "Issued",
    "Outcome",
    "Person",
    "Stock",
    "Wanted",
    "code_of",
    "issue",
    "issue_file",
    "issue_many",
    "link",
    "person_from",
    "pin_of",
    "stock",
]
