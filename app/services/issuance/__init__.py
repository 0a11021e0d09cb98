"""Issuance gives one voucher for each recipient, campaign and occasion."""

from app.services.issuance import forgotten
from app.services.issuance.files import (
    IssueOutcome,
    issue_file,
    issue_many,
    person_from,
)
from app.services.issuance.reissue import Reissued, reissue
from app.services.issuance.requests import (
    COME_BACK,
    FORGOTTEN,
    Batch,
    Issued,
    IssueFault,
    NotDue,
    Occasion,
    Person,
    VoucherRequest,
    occasions_of,
    refuse_occasion,
    refuse_occasions,
    told_occasion,
)
from app.services.issuance.serials import meant_by
from app.services.issuance.stock import (
    Stock,
    code_of,
    pin_of,
    stock,
)
from app.services.issuance.vouchers import CHUNK, issue
from app.services.issuance.withdrawal import (
    REFUSED,
    Changed,
    Left,
    campaign_of,
    take,
    withdraw,
    withdraw_link,
)

__all__ = [
    "CHUNK",
    "COME_BACK",
    "FORGOTTEN",
    "REFUSED",
    "Batch",
    "Changed",
    "IssueFault",
    "IssueOutcome",
    "Issued",
    "Left",
    "NotDue",
    "Occasion",
    "Person",
    "Reissued",
    "Stock",
    "VoucherRequest",
    "campaign_of",
    "code_of",
    "forgotten",
    "issue",
    "issue_file",
    "issue_many",
    "meant_by",
    "occasions_of",
    "person_from",
    "pin_of",
    "refuse_occasion",
    "refuse_occasions",
    "reissue",
    "stock",
    "take",
    "told_occasion",
    "withdraw",
    "withdraw_link",
]
