"""Apple Wallet: content → pass.json → manifest → signed `.pkpass` and `.pkpasses`.

`Template` builds passes of a presentation; `build_pkpass` packs a pass.json of one's own;
`read_package` checks a finished package as a phone does. A pass that any of them lets through obeys
every rule that a file can show.
"""

from passes.apple.files import check_files, read_strings
from passes.apple.package import MIME_BUNDLE, MIME_PASS, bundle
from passes.apple.reading import ReadPass, build_pkpass, read_package
from passes.apple.rules import check_pass
from passes.apple.service import WebService
from passes.apple.template import Template

__all__ = [
    "MIME_BUNDLE",
    "MIME_PASS",
    "ReadPass",
    "Template",
    "WebService",
    "build_pkpass",
    "bundle",
    "check_files",
    "check_pass",
    "read_package",
    "read_strings",
]
