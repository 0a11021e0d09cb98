"""The trial checks texts, barcode and pictures, then makes passes for both wallets.

The same is tried out once in a process. Values that read the same cost one trial.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
from babel import Locale, UnknownLocaleError

from app.domain.campaign import BarcodeProfile, Look, Presentation
from app.domain.kinds import KINDS
from app.domain.values import Grant
from app.services import movements
from app.services.campaigns.file import DocumentFault
from app.services.campaigns.shared import artwork_of, shared_presentation
from app.services.campaigns.stored import store_presentation
from app.services.campaigns.value_texts import own_words, worded
from passes import apple, content, google
from passes.artwork import Artwork
from passes.content import Money, PassContent, Status, Symbology
from passes.errors import ContentError, PassError
from passes.symbology import check_payload
from passes.text import check_text

#: Trials that a process remembers: what is shown before it is applied is tried out once.
KEPT = 256
_guard = threading.Lock()
_tried: dict[bytes, tuple[DocumentFault, ...]] = {}
#: The barcodes that every wallet draws.
SYMBOLOGIES = ("qr", "pdf417", "aztec", "code128")
#: What stands for a code that is not made yet.
CODE = "SAMPLE2345"
#: As long as a token is, and of its letters.
_SCANNED = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SITE = "https://wallet.example"
#: How the wallets' library calls what a campaign calls otherwise.
_PLACES = {
    "artwork": "look.logo",
    "banner": "look.banner",
    "barcode.payload": "symbology",
    "design.artwork": "look.logo",
    "design.background": "look.background",
    "design.foreground": "look.foreground",
    "design.label": "look.label",
    "field.key": "fields",
    "languages": "texts",
    "link.label": "links",
    "link.url": "links",
    "logo": "look.logo",
    "money.currency": "currency",
    "place.text": "places",
    # Google's name for the lines of a pass.
    "textModulesData": "fields",
}
_TEXTS = ("title", "offer", "description", "terms")
#: Those that a value by rule may say for itself.
_WORDS = ("offer", "terms")
#: Values by rule with their places.
Values = tuple[tuple[str, Grant], ...]
#: What values read like, with the places of those that read so.
Readings = list[tuple[Presentation, list[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What passes of a campaign would be made of."""

    presentation: Presentation
    kind: str
    name: str
    currency: str | None
    organization: str
    pictures: Mapping[str, bytes]
    #: A code as wide as any that passes would show, and the place that says what codes are like.
    code: str
    code_at: str
    #: The symbology in which it is shown; None where passes show a token.
    symbology: Symbology | None
    values: Values

    def faults(self) -> list[DocumentFault]:
        """What is in the way; asked again for the same, the answer that was found before."""
        key = hashlib.sha256(
            orjson.dumps(
                [
                    [self.kind, self.name, self.currency, self.organization],
                    [self.code, self.code_at, self.symbology and self.symbology.value],
                    store_presentation(self.presentation),
                    # A picture is named by its digest.
                    sorted(self.pictures),
                    repr(self.values),
                ]
            )
        ).digest()
        with _guard:
            found = _tried.get(key)
        if found is None:
            found = tuple(self._found())
            with _guard:
                if len(_tried) >= KEPT:
                    _tried.clear()
                _tried[key] = found
        return list(found)

    def _found(self) -> list[DocumentFault]:
        languages = list(self._of_languages())
        found = [
            *languages,
            *self._of_texts(),
            # An amount cannot be written in a language that is none.
            *(() if languages else self._of_values()),
            *self._of_barcode(),
            *self._of_pictures(),
        ]
        if found:
            return found
        look = self.presentation.look
        try:
            # Before the pictures, which can only say that they are hard to see.
            content.Design(background=look.background, foreground=look.foreground, label=look.label)
            artwork = artwork_of(look, self.organization, self.pictures)
            if look.logo is not None:
                artwork.check_shape()
        except PassError as error:
            return [self._fault(error)]
        spoken = tuple(self.presentation.texts)
        readings = self._readings()
        for language in spoken:
            # A pass in one language carries its texts itself, where every rule reads them.
            alone = replace(
                self.presentation,
                default_language=language,
                texts={language: self.presentation.texts[language]},
            )
            states = (Status.ACTIVE,) if len(spoken) > 1 else tuple(Status)
            found.extend(self._of(alone, artwork, language, states, readings))
        if len(spoken) > 1 and not found:
            found.extend(self._of(self.presentation, artwork, "", tuple(Status), readings))
        return list(dict.fromkeys(found))

    def _readings(self) -> Readings:
        """Those that are not the campaign's own."""
        by_words: dict[tuple[object, ...], tuple[Presentation, list[str]]] = {}
        for at, grant in self.values:
            reading = worded(self.presentation, grant, currency=self.currency)
            texts = [reading.in_language(each) for each in self.presentation.texts]
            words = tuple((each.offer, each.terms) for each in texts)
            if reading.texts != self.presentation.texts:
                by_words.setdefault(words, (reading, []))[1].append(at)
        return list(by_words.values())

    def _of(
        self,
        presentation: Presentation,
        artwork: Artwork,
        language: str,
        states: Sequence[Status],
        readings: Readings,
    ) -> Iterator[DocumentFault]:
        def make(sample: PassContent) -> None:
            template.check(sample)
            google.object_resource(sample, object_id="1.object", class_id="1.class")

        try:
            shared = shared_presentation(
                presentation,
                kind=self.kind,
                name=self.name,
                organization=self.organization,
                artwork=artwork,
            )
            template = apple.Template(shared)
            google.class_resource(
                shared,
                class_id="1.class",
                logo_url=f"{_SITE}/logo.png",
                banner_url=f"{_SITE}/banner.png" if artwork.google_hero else None,
                callback_url=f"{_SITE}/google/callback",
            )
            samples = [self._sample(shared, state) for state in states]
            for sample in samples:
                make(sample)
        except PassError as error:
            yield self._fault(error, language)
            return
        for reading, places in readings:
            try:
                offer, terms = own_words(reading, shared.languages)
                for sample in samples:
                    make(replace(sample, offer=offer, terms=terms))
            except PassError as error:
                for at in places:
                    yield DocumentFault(at, error.cause, error.remedy)

    def _sample(self, shared: content.Presentation, status: Status) -> PassContent:
        """A pass with everything that one of the kind may have."""
        money = KINDS[self.kind].holds_money and self.currency is not None
        languages = shared.languages
        noon = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
        fields: tuple[content.Field, ...] = ()
        if money:
            moved = content.Field(
                key=movements.KEY, label=None, value="+", slot=content.Slot.DETAILS
            )
            fields = (movements.replacement(f"{_SITE}/p/new", languages=languages), moved)
        return PassContent(
            presentation=shared,
            serial="sample",
            barcode=content.Barcode(
                payload=self.code if self.symbology is not None else _SCANNED,
                text=self.code,
                symbology=Symbology(self.presentation.symbology.upper()),
            ),
            status=status,
            valid_from=noon,
            valid_until=noon + dt.timedelta(days=30),
            balance=Money(1_000, self.currency or "") if money else None,
            fields=fields,
            card_number=self.code if money else None,
            pin="1234" if money else None,
        )

    def _of_languages(self) -> Iterator[DocumentFault]:
        default = self.presentation.default_language
        for language in dict.fromkeys((default, *self.presentation.texts)):
            try:
                Locale.parse(language, sep="-")
            except (UnknownLocaleError, ValueError):
                at = (
                    f"texts.{language}"
                    if language in self.presentation.texts
                    else ("default_language")
                )
                yield DocumentFault(at, f"{language!r} is no language.", "Write a tag such as fr.")
        if default not in self.presentation.texts:
            yield DocumentFault(
                f"texts.{default}",
                "is missing, though it is the default language.",
                "Write it, or name another default_language.",
            )

    def _of_texts(self) -> Iterator[DocumentFault]:
        for at, text in self._texts():
            yield from _unfit(at, text)

    def _texts(self) -> Iterator[tuple[str, str]]:
        presentation = self.presentation
        yield "organization", presentation.organization
        for language, texts in presentation.texts.items():
            for name in _TEXTS:
                yield f"texts.{language}.{name}", getattr(texts, name)
        for number, field in enumerate(presentation.fields):
            for name, localised in (("label", field.label), ("value", field.value)):
                for language, text in localised.items():
                    yield f"fields.{number}.{name}.{language}", text
        for number, link in enumerate(presentation.links):
            for language, text in link.label.items():
                yield f"links.{number}.label.{language}", text
        for number, place in enumerate(presentation.places):
            for language, text in place.text.items():
                yield f"places.{number}.text.{language}", text

    def _of_values(self) -> Iterator[DocumentFault]:
        """Texts of values by rule that no pass can show, or not to everybody."""
        languages = tuple(self.presentation.texts)
        for at, grant in self.values:
            reading = worded(
                self.presentation,
                # Babel would not know how an amount is written in a language that is none.
                replace(
                    grant,
                    texts={each: grant.texts[each] for each in grant.texts if each in languages},
                ),
                currency=self.currency,
            )
            for language, texts in grant.texts.items():
                if language not in languages:
                    yield DocumentFault(
                        f"{at}.texts.{language}",
                        "is in no language of the campaign's passes.",
                        f"Write it in {' or '.join(languages)}, or write texts.{language} as well.",
                    )
                    continue
                for name in _WORDS:
                    yield from _unfit(f"{at}.texts.{language}.{name}", getattr(texts, name))
            for name in _WORDS:
                if not any(getattr(each, name) for each in grant.texts.values()):
                    continue
                for language in languages:
                    if not getattr(reading.texts[language], name):
                        yield DocumentFault(
                            f"{at}.texts.{language}.{name}",
                            "is missing, though the value has it in another language.",
                            "Write it in every language, so that everybody can read it.",
                        )

    def _of_barcode(self) -> Iterator[DocumentFault]:
        symbology = self.presentation.symbology
        if symbology not in SYMBOLOGIES:
            yield DocumentFault(
                "symbology", f"{symbology!r} is unknown.", f"Use one of {', '.join(SYMBOLOGIES)}."
            )
        elif symbology == "code128" and self.presentation.barcode is BarcodeProfile.TOKEN:
            yield DocumentFault(
                "symbology",
                "is too narrow for a token.",
                'Use qr, pdf417 or aztec, or the profile "code".',
            )
        elif self.symbology is not None:
            try:
                check_payload("code", self.code, self.symbology)
            except ContentError as error:
                yield DocumentFault(
                    "symbology",
                    f"is too narrow for {self.code_at}. {error.cause}",
                    error.remedy,
                )

    def _of_pictures(self) -> Iterator[DocumentFault]:
        look: Look = self.presentation.look
        for at, digest in (("look.logo", look.logo), ("look.banner", look.banner)):
            if digest is not None and digest not in self.pictures:
                yield DocumentFault(
                    at,
                    "names a picture that is not stored.",
                    "Send the picture to /api/v1/pictures first.",
                )
        if look.banner is not None and look.logo is None:
            yield DocumentFault(
                "look.banner", "is not shown without a logo.", "Name a logo, or leave it out."
            )

    def _fault(self, error: PassError, language: str = "") -> DocumentFault:
        """The library's error at its place in the campaign."""
        at = error.field
        if at.partition(".")[0] in _TEXTS or at in _TEXTS:
            language = language or self.presentation.default_language
            return DocumentFault(f"texts.{language}.{at}", error.cause, error.remedy)
        keys = [each.key for each in self.presentation.fields]
        if match := re.fullmatch(r"field\[(.+?)\](.*)", at):
            if match[1] in keys:
                return DocumentFault(
                    f"fields.{keys.index(match[1])}{match[2]}", error.cause, error.remedy
                )
            return DocumentFault("fields", error.cause, error.remedy)
        if at == "field.key":
            named = [number for number, key in enumerate(keys) if repr(key) in error.cause]
            at = f"fields.{named[0]}.key" if named else "fields"
        at = re.sub(r"\[(\d+)\]", r".\1", at)
        return DocumentFault(_PLACES.get(at, at), error.cause, error.remedy)


def _unfit(at: str, text: str) -> Iterator[DocumentFault]:
    """Why no wallet can show a text; an empty one is left out of the pass."""
    if text:
        try:
            check_text(at, text)
        except PassError as error:
            yield DocumentFault(at, error.cause, error.remedy)
