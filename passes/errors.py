"""Every error this library raises, and nothing else derives from them.

::

    PassError                 a value that no wallet would show as meant
    ├── ContentError          what a customer would see is wrong: a text, date, amount, barcode
    │   └── ContrastError     text is hard to read on its background; `suggestion` says a colour
    ├── ArtworkError          a picture is broken, too large, or of a kind that cannot be used
    ├── CertificateError      a certificate, key or service account is missing, wrong or out of date
    ├── PackageError          a `pass.json` or a file of a `.pkpass` that Apple would refuse
    ├── ResourceError         a Google class, object or save link that Google would refuse
    └── CallbackError         a message that claims to be from Google and is not, or is too old

Each names the `field` (a path such as `barcode.payload` or `apple/pass.pem`), the `cause` and the
`remedy`, both whole sentences. None of them ever holds a key, PIN, token or barcode payload.
"""

from __future__ import annotations


class PassError(ValueError):
    """Something that no wallet would show as it was meant."""

    def __init__(self, field: str, cause: str, remedy: str) -> None:
        super().__init__(field, cause, remedy)
        self.field = field
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.field}: {self.cause} {self.remedy}"


class ContentError(PassError):
    """What a customer would see is wrong."""


class ContrastError(ContentError):
    """Text that is hard to read on its background."""

    def __init__(self, field: str, cause: str, suggestion: str) -> None:
        super().__init__(field, cause, f"Use {suggestion}, or another colour that stands out.")
        self.suggestion = suggestion

    def __reduce__(self) -> tuple[type[ContrastError], tuple[str, str, str]]:
        return type(self), (self.field, self.cause, self.suggestion)


class ArtworkError(PassError):
    """A picture is broken, too large, or of a kind that cannot be used."""


class CertificateError(PassError):
    """A certificate, key or service account is missing, wrong or out of date."""


class PackageError(PassError):
    """A `pass.json` or a file of a `.pkpass` that Apple Wallet would refuse."""


class ResourceError(PassError):
    """A Google class, object or save link that Google would refuse."""


class CallbackError(PassError):
    """A message that claims to be from Google and is not, or is too old."""
