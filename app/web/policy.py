"""What a browser may load and do on our pages (Content-Security-Policy, W3C CSP 3).

No script but our own files, no inline script ever, nothing from other hosts. A page that shows a
campaign's colours carries one small style block, admitted by its SHA-256 and nothing else.

The other headers of a browser's protections are here too (OWASP ASVS 5.0, V3.4 and V3.5): who may
embed an answer, which of a device's features a page may use, and for how long https is a must.
"""

from __future__ import annotations

import base64
import hashlib

from flask import Response

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'{style}; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

#: A page of ours uses nothing of a device; the till page says for itself that it has a camera.
NO_FEATURES = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), hid=()"

#: For pages without a style block.
STRICT = _POLICY.format(style="")


def admitting(style: str) -> str:
    """The policy for a page whose one style block contains exactly `style`."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return _POLICY.format(style=f" 'sha256-{digest}'")


def resource_policy(response: Response) -> str:
    """Who may embed an answer (Cross-Origin-Resource-Policy): our own pages, and every mail and
    Google's servers the pictures that are made for them.
    """
    return "cross-origin" if (response.mimetype or "").startswith("image/") else "same-origin"


def transport(*, subdomains: bool) -> str:
    """For a year nothing but https, of this host and, where the operator says so, of those below
    it (Strict-Transport-Security, RFC 6797).
    """
    return "max-age=31536000" + ("; includeSubDomains" if subdomains else "")
