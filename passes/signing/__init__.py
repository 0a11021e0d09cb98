"""Apple's certificates: load, check, sign, renew; throw-away ones for demonstrations and tests.

The layout of the folder is fixed: `apple/pass.pem`, `apple/pass.key`, `apple/wwdr.pem`,
`google/service-account.json`; a renewed certificate may lie beside the old one in `apple/next/`.
"""

from passes.signing.diagnosis import WARN_DAYS, Finding, diagnose
from passes.signing.request import Request, install, make_request
from passes.signing.signer import Signer
from passes.signing.store import Signers
from passes.signing.throwaway import throwaway, throwaway_service_account

__all__ = [
    "WARN_DAYS",
    "Finding",
    "Request",
    "Signer",
    "Signers",
    "diagnose",
    "install",
    "make_request",
    "throwaway",
    "throwaway_service_account",
]
