"""What a browser may load and do on our pages (Content-Security-Policy, W3C CSP 3).

No script but our own files, no inline script ever, nothing from other hosts. A page that shows a
campaign's colours carries one small style block, admitted by its SHA-256 and nothing else.
"""

from __future__ import annotations

import base64
import hashlib

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: For pages without a style block.
STRICT = _POLICY.format(style="")


def admitting(style: str) -> str:
    """The policy for a page whose one style block contains exactly `style`."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _POLICY.format(style=f" 'sha256-{digest}'")
