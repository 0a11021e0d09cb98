"""Apple Wallet: content → pass.json → manifest → signed `.pkpass` and `.pkpasses`."""

from passes.apple.package import MIME_BUNDLE, MIME_PASS, bundle
from passes.apple.template import Template, WebService

__all__ = ["MIME_BUNDLE", "MIME_PASS", "Template", "WebService", "bundle"]
