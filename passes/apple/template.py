"""One campaign revision as Apple passes: what is constant is made once, a pass costs its own part.

`Template(presentation).build(content, signer=…, now=…)` returns the bytes of a signed `.pkpass`.
The pass type and team are the certificate's own, so that they cannot disagree with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from typing import Any

import orjson

from passes.apple.package import Layout
from passes.apple.strings import Strings
from passes.colour import rgb
from passes.content import Field, Link, PassContent, Place, Presentation, RelevantDate, Slot, Status
from passes.errors import ArtworkError, ContentError, PackageError
from passes.money import Money
from passes.signing.signer import Signer
from passes.symbology import Symbology
from passes.text import Text, word

STYLES = {"coupon": "coupon", "gift_card": "storeCard"}
"""Apple's style of each kind. A `posterGeneric` would stand beside it, never instead of it."""
FORMATS = {
    Symbology.QR: "PKBarcodeFormatQR",
    Symbology.PDF417: "PKBarcodeFormatPDF417",
    Symbology.AZTEC: "PKBarcodeFormatAztec",
    Symbology.CODE128: "PKBarcodeFormatCode128",
    Symbology.EAN13: "PKBarcodeFormatEAN13",
    Symbology.CODE39: "PKBarcodeFormatCode39",
    Symbology.CODABAR: "PKBarcodeFormatCodabar",
    Symbology.ITF14: "PKBarcodeFormatI2of5",
}
# The older `barcode` member knows three formats; Android readers still look there first.
_OLD_FORMATS = {Symbology.QR, Symbology.PDF417, Symbology.AZTEC}
Key = Callable[[Text], str]
Shown = orjson.Fragment | dict[str, Any]
_WEB_SERVICE = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?").fullmatch
_TOKEN = re.compile(r"[!-~]{16,}").fullmatch


@dataclass(frozen=True, slots=True)
class WebService:
    """Where a phone fetches the pass again, and the token it shows there.

    `url` is the base to which Wallet appends `/v1/…`: https (http only with `development`), no
    `/v1`, no slash at its end. `token` has 16 printable ASCII characters at least, belongs to one
    serial and never changes. Raises PackageError.
    """

    url: str
    token: str = field(repr=False)
    development: bool = False

    def __post_init__(self) -> None:
        check_web_service(self.url, self.token, development=self.development)


def check_web_service(url: object, token: object, *, development: bool = False) -> None:
    """Raise PackageError unless a phone can use this address and this token."""
    if not isinstance(url, str) or not _WEB_SERVICE(url):
        raise PackageError("webServiceURL", "It is not an address.", "Give https://host/path.")
    if url.startswith("http:") and not development:
        raise PackageError(
            "webServiceURL", "Phones refuse plain http.", "Serve it over https and write https://."
        )
    if url.endswith("/") or "/v1/" in f"{url}/":
        raise PackageError(
            "webServiceURL",
            "Wallet appends /v1/… itself, and some readers double a slash.",
            "End it before /v1 and without a slash.",
        )
    if not isinstance(token, str) or not _TOKEN(token):
        raise PackageError(
            "authenticationToken",
            "It is shorter than 16 characters, or not printable ASCII.",
            "Derive one of 16 characters or more for each serial.",
        )


class Template:
    """The constant part of a campaign revision's passes. Safe to share between threads.

    Raises ArtworkError where the design has no pictures, or those of one language lack the banner.
    """

    def __init__(self, presentation: Presentation) -> None:
        self.presentation = presentation
        languages = presentation.languages
        self._style = STYLES[presentation.kind].encode()
        self._strings = Strings(languages)
        key = self._strings.key
        self._words = {name: key(word(name, languages)) for name in _WORDS}
        self._states = {status: key(word(status.value, languages)) for status in Status}
        self._title = key(presentation.title)
        self._offer = key(presentation.offer) if presentation.offer is not None else None
        self._terms = key(presentation.terms) if presentation.terms is not None else None
        self._fields = {
            slot: [_fragment(each, key) for each in presentation.fields if each.slot is slot]
            for slot in Slot
        }
        self._links = [_link(number, each, key) for number, each in enumerate(presentation.links)]
        self._issuer = orjson.Fragment(
            orjson.dumps(
                {
                    "key": "issuer",
                    "label": self._words["issuer"],
                    "value": key(presentation.organization),
                }
            )
        )
        self._places = [_place(each, key) for each in presentation.places]
        self._dates = [_relevant(each) for each in presentation.relevant_dates]
        self._constant = orjson.dumps(self._constants())[:-1]
        images = self._images()
        self._images_layout = Layout(images)
        self._layout = Layout({**images, **self._strings.files()})
        self._head: tuple[Signer | None, bytes] = (None, b"")

    def build(
        self,
        content: PassContent,
        *,
        signer: Signer,
        now: datetime,
        web_service: WebService | None = None,
    ) -> bytes:
        """Return the `.pkpass` of one holder, signed as of `now` (aware).

        Without a web service the pass is never updated. Raises ContentError for content of another
        presentation, CertificateError outside the certificate's dates.
        """
        layout, own_files, document = self._document(content, signer, web_service)
        files = [*own_files, (b"pass.json", document)]
        manifest = layout.extend_manifest(files)
        files += (
            (b"manifest.json", manifest),
            (b"signature", signer.sign(manifest, now=now)),
        )
        return layout.archive(files)

    def _document(
        self, content: PassContent, signer: Signer, web_service: WebService | None
    ) -> tuple[Layout, list[tuple[bytes, bytes]], bytes]:
        """Return the layout to build on, further strings files, and pass.json."""
        if content.presentation is not self.presentation and (
            content.presentation != self.presentation
        ):
            raise ContentError(
                "presentation",
                "The content belongs to another presentation than the template.",
                "Build it with the template of its own.",
            )
        own = Strings(self.presentation.languages, self._strings)
        changing: dict[str, Any] = {"serialNumber": content.serial}
        if web_service is not None:
            changing["webServiceURL"] = web_service.url
            changing["authenticationToken"] = web_service.token
        if content.valid_until is not None:
            changing["expirationDate"] = _iso(content.valid_until)
        if content.status.spent:
            changing["voided"] = True
        if content.barcode is not None:
            self._add_barcode(changing, content)
        places = (
            self._places
            if content.places is None
            else [_place(each, own.key) for each in content.places]
        )
        if places:
            changing["locations"] = places
        if self._dates or content.relevant_dates:
            changing["relevantDates"] = [
                *self._dates,
                *(_relevant(each) for each in content.relevant_dates),
            ]
        style = orjson.dumps(self._style_fields(content, own))
        document = b'%b,"%b":%b,%b' % (
            self._header(signer),
            self._style,
            style,
            orjson.dumps(changing)[1:],
        )
        if not own.texts:
            return self._layout, [], document
        files = [(name.encode(), data) for name, data in own.files().items()]
        return self._images_layout, files, document

    def _style_fields(self, content: PassContent, own: Strings) -> dict[str, Any]:
        words = self._words
        fields = self._fields
        top: list[Shown] = [*fields[Slot.TOP]]
        front: list[Shown] = []
        details: list[Shown] = [*fields[Slot.DETAILS]]
        state = self._states[content.status]
        if content.status is not Status.ACTIVE:
            top.insert(0, {"key": "state", "value": state})
        offer = self._offer if content.offer is None else own.key(content.offer)
        if content.balance is not None:
            primary = {
                "key": "balance",
                "label": self._title,
                **_money(content.balance),
                "changeMessage": words["balance_changed"],
            }
            if offer is not None:
                details.insert(0, {"key": "offer", "label": words["offer"], "value": offer})
        else:
            primary = {"key": "offer", "label": self._title, "value": offer}
        waiting = content.status is Status.NOT_YET_VALID and content.valid_from is not None
        if content.valid_from is not None:
            (front if waiting else details).append(
                _date("valid_from", words["valid_from"], content.valid_from)
            )
        if content.valid_until is not None:
            (details if waiting else front).append(
                _date("valid_until", words["valid_until"], content.valid_until)
            )
        front += fields[Slot.FRONT]
        for each in content.fields:
            {Slot.TOP: top, Slot.FRONT: front, Slot.DETAILS: details}[each.slot].append(
                _field(each, own.key)
            )
        details.append(
            {
                "key": "status",
                "label": words["status"],
                "value": state,
                "changeMessage": words["status_changed"],
            }
        )
        if content.card_number is not None:
            details.append(_plain("card_number", words["card_number"], content.card_number))
        if content.pin is not None:
            details.append(_plain("pin", words["pin"], content.pin))
        details += self._links
        terms = self._terms if content.terms is None else own.key(content.terms)
        if terms is not None:
            details.append({"key": "terms", "label": words["terms"], "value": terms})
        details.append(self._issuer)
        return {
            "headerFields": top,
            "primaryFields": [primary],
            "secondaryFields": front[:2],
            "auxiliaryFields": front[2:],
            "backFields": details,
        }

    def _add_barcode(self, changing: dict[str, Any], content: PassContent) -> None:
        barcode = content.barcode
        assert barcode is not None  # noqa: S101 - the caller looked
        symbologies = [barcode.symbology]
        if barcode.fallback is not None and barcode.fallback is not barcode.symbology:
            symbologies.append(barcode.fallback)
        shown: dict[str, str] = {"message": barcode.payload, "messageEncoding": "iso-8859-1"}
        if barcode.text is not None:
            shown["altText"] = barcode.text
        changing["barcodes"] = [{"format": FORMATS[each], **shown} for each in symbologies]
        for each in symbologies:
            if each in _OLD_FORMATS:
                changing["barcode"] = {"format": FORMATS[each], **shown}
                break

    def _header(self, signer: Signer) -> bytes:
        known, head = self._head
        if known is not signer:
            identity = {
                "passTypeIdentifier": signer.pass_type_id,
                "teamIdentifier": signer.team_id,
            }
            head = self._constant + b"," + orjson.dumps(identity)[1:-1]
            self._head = (signer, head)
        return head

    def _constants(self) -> dict[str, Any]:
        presentation = self.presentation
        design = presentation.design
        return {
            "formatVersion": 1,
            "organizationName": presentation.organization,
            "description": self._strings.key(presentation.description),
            "backgroundColor": _rgb(design.background),
            "foregroundColor": _rgb(design.foreground),
            "labelColor": _rgb(design.label_colour),
        }

    def _images(self) -> dict[str, bytes]:
        """Return the pictures by their names in the package.

        A picture at the root would hide the same one of a language, so those that differ between
        languages are in every language's folder and not at the root; the icon, which must be at the
        root, is the same for all.
        """
        design = self.presentation.design
        if design.artwork is None:
            raise ArtworkError(
                "design.artwork",
                "A pass needs an icon and a logo.",
                "Give an artwork: `prepare` makes it of a logo, `monogram` of the name.",
            )
        files = dict(design.artwork.apple)
        if not design.localized_artwork or len(self.presentation.languages) == 1:
            return files
        images = {name: data for name, data in files.items() if name.startswith("icon")}
        for language in self.presentation.languages:
            pictures = design.localized_artwork.get(language, design.artwork).apple
            if pictures.keys() != files.keys():
                raise ArtworkError(
                    f"design.localized_artwork[{language}]",
                    "One language has a banner and another has none.",
                    "Give all languages a banner, or none.",
                )
            for name, data in pictures.items():
                if name not in images:
                    images[f"{language}.lproj/{name}"] = data
        return images


_WORDS = (
    *("valid_until", "valid_from", "balance_changed", "status", "status_changed", "terms", "offer"),
    *("issuer", "card_number", "pin"),
)


def _rgb(colour: str) -> str:
    return "rgb({}, {}, {})".format(*rgb(colour))


def _iso(moment: datetime) -> str:
    # The offset has a colon and no fraction of a second: iOS refuses `+0000`.
    return moment.isoformat(timespec="seconds")


def _money(money: Money) -> dict[str, Any]:
    digits = money.digits
    return {
        "value": money.minor / 10**digits if digits else money.minor,
        "currencyCode": money.currency,
    }


def _date(key: str, label: str, moment: datetime, *, time: bool = False) -> dict[str, Any]:
    # Shown in the zone it carries, which is the shop's, wherever the phone is.
    return {
        "key": key,
        "label": label,
        "value": _iso(moment),
        "dateStyle": "PKDateStyleMedium",
        "timeStyle": "PKDateStyleShort" if time else "PKDateStyleNone",
        "ignoresTimeZone": True,
    }


def _plain(key: str, label: str, value: str) -> dict[str, Any]:
    # No data detectors: a card number is not a telephone number.
    return {"key": key, "label": label, "value": value, "dataDetectorTypes": []}


def _field(each: Field, key: Key) -> dict[str, Any]:
    value = each.value
    label = None if each.label is None else key(each.label)
    shown: dict[str, Any]
    if isinstance(value, datetime):
        shown = _date(each.key, "", value, time=each.show_time)
        del shown["label"]
    elif isinstance(value, Money):
        shown = {"key": each.key, **_money(value)}
    elif isinstance(value, int):
        shown = {"key": each.key, "value": value}
    else:
        shown = {"key": each.key, "value": key(value)}
    if label is not None:
        shown["label"] = label
    if each.change_message is not None:
        shown["changeMessage"] = key(each.change_message)
    return shown


def _fragment(each: Field, key: Key) -> orjson.Fragment:
    return orjson.Fragment(orjson.dumps(_field(each, key)))


def _link(number: int, link: Link, key: Key) -> orjson.Fragment:
    def anchor(label: str) -> str:
        return f'<a href="{escape(link.url)}">{escape(label)}</a>'

    text: Text = link.label
    if not isinstance(text, str):
        text = type(text)({language: anchor(text[language]) for language in text.languages})
    else:
        text = anchor(text)
    return orjson.Fragment(
        orjson.dumps({"key": f"link-{number}", "value": link.url, "attributedValue": key(text)})
    )


def _place(place: Place, key: Key) -> dict[str, Any]:
    shown: dict[str, Any] = {"latitude": place.latitude, "longitude": place.longitude}
    if place.text is not None:
        shown["relevantText"] = key(place.text)
    return shown


def _relevant(moment: RelevantDate) -> dict[str, str]:
    start = _iso(moment.start)
    if moment.end is not None:
        return {"startDate": start, "endDate": _iso(moment.end)}
    # The member was called relevantDate in iOS 18 and is called date since iOS 26.
    return {"date": start, "relevantDate": start}
