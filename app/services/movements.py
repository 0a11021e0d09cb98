"""The last movements of a gift card as its pass shows them, among the details.

One field with a line for each movement, the newest first, in every language of the pass; languages
that this house does not speak get English words with their own dates and numbers. No store,
operator or receipt is named: a pass may be shown to anybody.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency, get_currency_precision
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from app.domain.ledger import EntryKind
from app.store.models import Entry
from passes.content import Field, Localized, Slot

#: Movements that a pass shows.
SHOWN = 5
KEY = "movements"

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "label": "Last movements",
        "replacement": "Your new card",
        EntryKind.REDEMPTION: "Payment",
        EntryKind.REVERSAL: "Cancelled",
        EntryKind.REFUND: "Refund",
        EntryKind.LOAD: "Top-up",
        EntryKind.ACTIVATE: "Top-up",
        EntryKind.ADJUST: "Correction",
        EntryKind.EXPIRE: "Expired",
        EntryKind.DEACTIVATE: "Closed",
        EntryKind.TRANSFER: "Transfer",
    },
    "fr": {
        "label": "Derniers mouvements",
        "replacement": "Votre nouvelle carte",
        EntryKind.REDEMPTION: "Paiement",
        EntryKind.REVERSAL: "Annulation",
        EntryKind.REFUND: "Remboursement",
        EntryKind.LOAD: "Rechargement",
        EntryKind.ACTIVATE: "Rechargement",
        EntryKind.ADJUST: "Correction",
        EntryKind.EXPIRE: "Expiration",
        EntryKind.DEACTIVATE: "Clôture",
        EntryKind.TRANSFER: "Transfert",
    },
    "de": {
        "label": "Letzte Bewegungen",
        "replacement": "Ihre neue Karte",
        EntryKind.REDEMPTION: "Zahlung",
        EntryKind.REVERSAL: "Storno",
        EntryKind.REFUND: "Erstattung",
        EntryKind.LOAD: "Aufladung",
        EntryKind.ACTIVATE: "Aufladung",
        EntryKind.ADJUST: "Korrektur",
        EntryKind.EXPIRE: "Verfall",
        EntryKind.DEACTIVATE: "Schließung",
        EntryKind.TRANSFER: "Übertrag",
    },
    "es": {
        "label": "Últimos movimientos",
        "replacement": "Su nueva tarjeta",
        EntryKind.REDEMPTION: "Pago",
        EntryKind.REVERSAL: "Anulación",
        EntryKind.REFUND: "Reembolso",
        EntryKind.LOAD: "Recarga",
        EntryKind.ACTIVATE: "Recarga",
        EntryKind.ADJUST: "Corrección",
        EntryKind.EXPIRE: "Caducidad",
        EntryKind.DEACTIVATE: "Cierre",
        EntryKind.TRANSFER: "Traspaso",
    },
    "it": {
        "label": "Ultimi movimenti",
        "replacement": "La Sua nuova carta",
        EntryKind.REDEMPTION: "Pagamento",
        EntryKind.REVERSAL: "Annullamento",
        EntryKind.REFUND: "Rimborso",
        EntryKind.LOAD: "Ricarica",
        EntryKind.ACTIVATE: "Ricarica",
        EntryKind.ADJUST: "Rettifica",
        EntryKind.EXPIRE: "Scadenza",
        EntryKind.DEACTIVATE: "Chiusura",
        EntryKind.TRANSFER: "Trasferimento",
    },
    "nl": {
        "label": "Laatste transacties",
        "replacement": "Uw nieuwe kaart",
        EntryKind.REDEMPTION: "Betaling",
        EntryKind.REVERSAL: "Annulering",
        EntryKind.REFUND: "Terugbetaling",
        EntryKind.LOAD: "Opwaardering",
        EntryKind.ACTIVATE: "Opwaardering",
        EntryKind.ADJUST: "Correctie",
        EntryKind.EXPIRE: "Verlopen",
        EntryKind.DEACTIVATE: "Afsluiting",
        EntryKind.TRANSFER: "Overboeking",
    },
    "pl": {
        "label": "Ostatnie operacje",
        "replacement": "Twoja nowa karta",
        EntryKind.REDEMPTION: "Płatność",
        EntryKind.REVERSAL: "Anulowanie",
        EntryKind.REFUND: "Zwrot",
        EntryKind.LOAD: "Doładowanie",
        EntryKind.ACTIVATE: "Doładowanie",
        EntryKind.ADJUST: "Korekta",
        EntryKind.EXPIRE: "Wygaśnięcie",
        EntryKind.DEACTIVATE: "Zamknięcie",
        EntryKind.TRANSFER: "Przeniesienie",
    },
    "pt": {
        "label": "Últimos movimentos",
        "replacement": "O seu novo cartão",
        EntryKind.REDEMPTION: "Pagamento",
        EntryKind.REVERSAL: "Anulação",
        EntryKind.REFUND: "Reembolso",
        EntryKind.LOAD: "Carregamento",
        EntryKind.ACTIVATE: "Carregamento",
        EntryKind.ADJUST: "Correção",
        EntryKind.EXPIRE: "Expiração",
        EntryKind.DEACTIVATE: "Encerramento",
        EntryKind.TRANSFER: "Transferência",
    },
    "el": {
        "label": "Τελευταίες κινήσεις",
        "replacement": "Η νέα σας κάρτα",
        EntryKind.REDEMPTION: "Πληρωμή",
        EntryKind.REVERSAL: "Ακύρωση",
        EntryKind.REFUND: "Επιστροφή",
        EntryKind.LOAD: "Φόρτιση",
        EntryKind.ACTIVATE: "Φόρτιση",
        EntryKind.ADJUST: "Διόρθωση",
        EntryKind.EXPIRE: "Λήξη",
        EntryKind.DEACTIVATE: "Κλείσιμο",
        EntryKind.TRANSFER: "Μεταφορά",
    },
}


@dataclass(frozen=True, slots=True)
class Movement:
    """A change of a card's balance, in minor units."""

    at: dt.datetime
    kind: str
    amount_minor: int


# Composed once: it is asked for every pass of a card that is built.
_RECENT = (
    select(Entry.created_at, Entry.kind, Entry.amount_minor)
    .where(Entry.voucher_id == bindparam("card"), Entry.amount_minor != 0)
    .order_by(Entry.created_at.desc(), Entry.id.desc())
    .limit(SHOWN)
)


def recent(session: Session, voucher_id: int) -> list[Movement]:
    """The card's last movements, the newest first."""
    rows = session.connection().execute(_RECENT, {"card": voucher_id}).fetchall()
    return [Movement(*row) for row in rows]


def field(
    movements: Sequence[Movement], *, languages: Sequence[str], currency: str, zone: ZoneInfo
) -> Field | None:
    """The pass's field; None for a card on which nothing has moved."""
    if not movements:
        return None
    return Field(
        key=KEY,
        label=Localized({tag: _words(tag)["label"] for tag in languages}),
        value=Localized(
            {
                tag: "\n".join(_line(each, tag, currency, zone) for each in movements)
                for tag in languages
            }
        ),
        slot=Slot.DETAILS,
    )


def replacement(address: str, *, languages: Sequence[str]) -> Field:
    """The way from a card that was replaced to the one that has its money now."""
    return Field(
        key="replacement",
        label=Localized({tag: _words(tag)["replacement"] for tag in languages}),
        value=address,
        slot=Slot.DETAILS,
    )


def _words(tag: str) -> dict[str, str]:
    return _WORDS.get(tag.replace("_", "-").partition("-")[0].lower(), _WORDS["en"])


def _line(movement: Movement, tag: str, currency: str, zone: ZoneInfo) -> str:
    try:
        locale = Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        locale = Locale("en")
    day = format_date(movement.at.astimezone(zone).date(), "medium", locale=locale)
    exact = Decimal(movement.amount_minor).scaleb(-get_currency_precision(currency))
    sign = "+" if movement.amount_minor > 0 else ""
    amount = format_currency(exact, currency, locale=locale)
    return f"{day} · {_words(tag).get(movement.kind, movement.kind)} · {sign}{amount}"
