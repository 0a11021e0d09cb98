"""Apple's certificates: load, check, sign, renew; throw-away ones for demonstrations and tests.

The layout of the folder is fixed: `apple/pass.pem`, `apple/pass.key`, `apple/wwdr.pem`,
`google/service-account.json`; a renewed certificate may lie beside the old one in `apple/next/`.
"""

from passes.signing.signer import Signer
from passes.signing.throwaway import throwaway, throwaway_service_account

__all__ = ["Signer", "throwaway", "throwaway_service_account"]
