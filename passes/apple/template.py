"""One campaign revision as Apple passes: what is constant is made once, a pass costs its own part.

`Template(presentation).build(content, signer=…, now=…)` returns the bytes of a signed `.pkpass`.
The pass type and team are the certificate's own, so that they cannot disagree with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson

from passes.apple.members import (
    FORMATS,
    OLD_FORMATS,
    STYLES,
    Shown,
    date_field,
    field_fragment,
    field_member,
    link_fragment,
    money_members,
    place_member,
    plain_field,
    relevant_member,
    write_colour,
    write_time,
)
from passes.apple.package import Layout
from passes.apple.rules import check_pass
from passes.apple.service import WebService
from passes.apple.strings import Strings, folders
from passes.content import Barcode, PassContent, Presentation, Slot, Status
from passes.errors import ArtworkError, ContentError
from passes.signing.signer import Signer
from passes.wording import ends_with_day, starts_with_day

_WORDS = (
    *("valid_until", "valid_from", "balance_changed", "uses_left", "uses_left_changed", "status"),
    *("status_changed", "terms", "offer", "issuer", "card_number", "pin"),
)


class Named(Protocol):
    """Whose pass it is."""

    @property
    def pass_type_id(self) -> str:
        """The certificate's pass type."""

    @property
    def team_id(self) -> str:
        """The certificate's team."""


@dataclass(frozen=True, slots=True)
class _Anybody:
    pass_type_id: str = "pass.example.anybody"  # noqa: S105 - no password
    team_id: str = "ANYBODY123"


_ANYBODY = _Anybody()


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
        self._words = {name: key(presentation.word(name)) for name in _WORDS}
        self._states = {status: key(presentation.word(status.value)) for status in Status}
        self._title = key(presentation.title)
        self._offer = key(presentation.offer) if presentation.offer is not None else None
        self._terms = key(presentation.terms) if presentation.terms is not None else None
        self._fields = {
            slot: [field_fragment(each, key) for each in presentation.fields if each.slot is slot]
            for slot in Slot
        }
        self._links = [
            link_fragment(number, each, key) for number, each in enumerate(presentation.links)
        ]
        self._issuer = orjson.Fragment(
            orjson.dumps(
                {
                    "key": "issuer",
                    "label": self._words["issuer"],
                    "value": key(presentation.organization),
                }
            )
        )
        self._places = [place_member(each, key) for each in presentation.places]
        self._dates = [relevant_member(each) for each in presentation.relevant_dates]
        self._constant = orjson.dumps(self._constants())[:-1]
        self._images_layout = Layout(self._images())
        self._layout = Layout(self._strings.files(), self._images_layout)
        self._head: tuple[Named | None, bytes] = (None, b"")

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

    @property
    def size(self) -> int:
        """How many bytes of pictures and texts it keeps."""
        design = self.presentation.design
        artworks = {design.artwork, *design.localized_artwork.values()}
        return self._layout.size + sum(each.size for each in artworks if each is not None)

    def check(self, content: PassContent) -> None:
        """Raise PackageError unless a phone shows the pass as it is meant, whoever signs it."""
        _, _, document = self._document(content, _ANYBODY, None)
        check_pass(
            orjson.loads(document),
            pass_type_id=_ANYBODY.pass_type_id,
            team_id=_ANYBODY.team_id,
        )

    def _document(
        self, content: PassContent, signer: Named, web_service: WebService | None
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
            changing["expirationDate"] = write_time(content.valid_until)
        if content.status.spent:
            changing["voided"] = True
        if content.barcode is not None:
            changing |= _barcodes(content.barcode)
        places = (
            self._places
            if content.places is None
            else [place_member(each, own.key) for each in content.places]
        )
        if places:
            changing["locations"] = places
        if self._dates or content.relevant_dates:
            changing["relevantDates"] = [
                *self._dates,
                *(relevant_member(each) for each in content.relevant_dates),
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
        if content.uses is not None:
            # Beside the logo it is seen while cards lie upon each other; a spent pass has no use.
            (details if content.status.spent else top).append(
                {
                    "key": "uses_left",
                    "label": words["uses_left"],
                    "value": str(content.uses),
                    "changeMessage": words["uses_left_changed"],
                }
            )
        if content.status is not Status.ACTIVE:
            top.insert(0, {"key": "state", "value": state})
        offer = self._offer if content.offer is None else own.key(content.offer)
        if content.balance is not None:
            primary = {
                "key": "balance",
                "label": self._title,
                **money_members(content.balance),
                "changeMessage": words["balance_changed"],
            }
            if offer is not None:
                details.insert(0, {"key": "offer", "label": words["offer"], "value": offer})
        else:
            primary = {"key": "offer", "label": self._title, "value": offer}
        waiting = content.status is Status.NOT_YET_VALID and content.valid_from is not None
        if content.valid_from is not None:
            (front if waiting else details).append(
                date_field(
                    "valid_from",
                    words["valid_from"],
                    content.valid_from,
                    time=not starts_with_day(content.valid_from),
                )
            )
        if content.valid_until is not None:
            (details if waiting else front).append(
                date_field(
                    "valid_until",
                    words["valid_until"],
                    content.valid_until,
                    time=not ends_with_day(content.valid_until),
                )
            )
        front += fields[Slot.FRONT]
        for each in content.fields:
            {Slot.TOP: top, Slot.FRONT: front, Slot.DETAILS: details}[each.slot].append(
                field_member(each, own.key)
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
            details.append(plain_field("card_number", words["card_number"], content.card_number))
        if content.pin is not None:
            details.append(plain_field("pin", words["pin"], content.pin))
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

    def _header(self, signer: Named) -> bytes:
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
            "backgroundColor": write_colour(design.background),
            "foregroundColor": write_colour(design.foreground),
            "labelColor": write_colour(design.label_colour),
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
        for folder, language in folders(self.presentation.languages):
            pictures = design.localized_artwork.get(language, design.artwork).apple
            if pictures.keys() != files.keys():
                raise ArtworkError(
                    f"design.localized_artwork[{language}]",
                    "One language has a banner and another has none.",
                    "Give all languages a banner, or none.",
                )
            for name, data in pictures.items():
                if name not in images:
                    images[f"{folder}.lproj/{name}"] = data
        return images


def _barcodes(barcode: Barcode) -> dict[str, Any]:
    symbologies = [barcode.symbology]
    if barcode.fallback is not None and barcode.fallback is not barcode.symbology:
        symbologies.append(barcode.fallback)
    said = {"message": barcode.payload, "messageEncoding": "iso-8859-1"}
    if barcode.text is not None:
        said["altText"] = barcode.text
    shown = [{"format": FORMATS[each], **said} for each in symbologies]
    for each, one in zip(symbologies, shown, strict=True):
        if each in OLD_FORMATS:
            return {"barcodes": shown, "barcode": one}
    return {"barcodes": shown}
