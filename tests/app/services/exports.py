"""Exports drawn at random: any known system's headings, any language, separator, encoding, damage.

An export knows what it holds, so that a test can say what must not come of it: a code that was
none, money that was not there, a used code.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.codes import normalise
from app.services.codes.formats import reader
from app.services.codes.formats.headings.meanings import Meaning
from app.services.codes.formats.headings.systems import SYSTEMS
from app.services.codes.formats.headings.words import WORDS
from app.services.codes.formats.records import ColumnsUnclear, FileFault
from app.services.codes.reasons import Expected
from app.services.codes.sealing import Sealer
from app.store.keyring import Keyring

NOW = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "mac_roman", "cp1250")
#: Words by language: good, used, disabled, expired; yes, no.
STATES = {
    "en": ("Active", "Used", "Disabled", "Expired", "Yes", "No"),
    "fr": ("Actif", "Utilisé", "Désactivé", "Expiré", "Oui", "Non"),
    "de": ("Aktiv", "Eingelöst", "Gesperrt", "Abgelaufen", "Ja", "Nein"),
    "es": ("Activo", "Usado", "Desactivado", "Caducado", "Sí", "No"),
    "it": ("Attivo", "Utilizzato", "Disattivato", "Scaduto", "Sì", "No"),
    "nl": ("Actief", "Gebruikt", "Geblokkeerd", "Verlopen", "Ja", "Nee"),
    "pl": ("Aktywny", "Wykorzystany", "Zablokowany", "Wygasły", "Tak", "Nie"),
    "pt": ("Ativo", "Utilizado", "Cancelado", "Expirado", "Sim", "Não"),
}
_OTHER = {
    Meaning.OTHER: ("7", "Ada", "Spring sale", "2026-02-01", "ada@shop.example", "12.99"),
    Meaning.KIND: ("fixed_amount", "gift"),
    Meaning.CURRENCY: ("EUR",),
}
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(slots=True)
class Export:
    """A file, and what is true of it."""

    data: bytes
    holds_money: bool
    #: Codes that may be issued, with their money in minor units (None where none is written).
    good: dict[str, int | None] = field(default_factory=dict)
    #: Codes that must not be: used, disabled, expired, empty, damaged.
    bad: set[str] = field(default_factory=set)
    text: str = ""


def draw(dice: random.Random) -> Export:
    """A file of a random system, or one that a person made in a language."""
    language = dice.choice(sorted(STATES))
    holds_money = dice.random() < 0.4
    headings = _headings(dice, language, holds_money)
    export = Export(data=b"", holds_money=holds_money)
    comma = dice.random() < 0.5
    separator = dice.choice([";", "\t", "|"] if comma else [",", ";", "\t", "|"])
    style = dice.choice(["AB-####", "######", "##-##-##", "0#####"])
    damage = dice.random()
    rows = [
        _row(dice, headings, export, language, comma=comma, style=style, damage=damage)
        for _ in range(dice.randrange(3, 13))
    ]
    export.text = _text(dice, headings, rows, separator, language)
    encoding = dice.choice(ENCODINGS)
    try:
        export.data = export.text.encode(encoding)
    except UnicodeEncodeError:
        export.data = export.text.encode("utf-8")
    return export


def _headings(dice: random.Random, language: str, holds_money: bool) -> list[tuple[str, Meaning]]:
    """The columns of a file: one name for each meaning, in any order."""
    table = dice.choice([*(system.headings for system in SYSTEMS), WORDS[language]])
    found = []
    for meaning, names in table.items():
        several = names.split("|")
        if meaning is Meaning.OTHER:
            found += [(name, meaning) for name in dice.sample(several, min(3, len(several)))]
        elif meaning is Meaning.CODE or dice.random() < 0.6:
            found.append((dice.choice(several), meaning))
    if not holds_money:
        money = (Meaning.BALANCE, Meaning.SPENT, Meaning.MINOR)
        found = [each for each in found if each[1] not in money]
    if dice.random() < 0.8:
        dice.shuffle(found)
    return found


def _code(dice: random.Random, style: str) -> str:
    return "".join(dice.choice(_ALPHABET) if mark == "#" else mark for mark in style)


def _row(
    dice: random.Random,
    headings: list[tuple[str, Meaning]],
    export: Export,
    language: str,
    *,
    comma: bool,
    style: str,
    damage: float,
) -> list[str]:
    code = _code(dice, style)
    cells = {Meaning.CODE: _damaged(dice, code, damage, export)}
    words = STATES[language]
    fate = dice.choice(["good", "good", "good", "used", "disabled", "expired"])
    told = False
    initial = Decimal(dice.randrange(1_000, 500_000)) / 100
    spent = initial if fate == "used" else Decimal(dice.randrange(0, 900)) / 100
    meanings = {meaning for _, meaning in headings}
    for meaning in sorted(meanings):
        text, tells = _cell(dice, meaning, fate, words)
        cells.setdefault(meaning, text)
        told = told or tells
    for meaning, amount in (
        (Meaning.AMOUNT, initial),
        (Meaning.SPENT, spent),
        (Meaning.BALANCE, initial - spent),
    ):
        cells[meaning] = _amount(dice, amount, comma)
    cells[Meaning.MINOR] = str(int((initial - spent) * 100))
    says_rest = bool(meanings & {Meaning.BALANCE, Meaning.MINOR}) or (
        Meaning.SPENT in meanings and Meaning.AMOUNT in meanings
    )
    told = told or (export.holds_money and says_rest and spent == initial)
    if fate != "good" and told:
        export.bad.add(code)
    else:
        money: int | None = None
        if export.holds_money and says_rest:
            money = int((initial - spent) * 100)
        elif export.holds_money and Meaning.AMOUNT in meanings:
            money = int(initial * 100)
        export.good[code] = money
    return [cells[meaning] for _, meaning in headings]


def _cell(
    dice: random.Random, meaning: Meaning, fate: str, words: tuple[str, ...]
) -> tuple[str, bool]:
    """What stands in a column, and whether it tells that the code is not good any more."""
    good, used, disabled, expired, yes, no = words
    match meaning:
        case Meaning.STATUS:
            return {"good": good, "used": used, "disabled": disabled, "expired": expired}[
                fate
            ], fate != "good"
        case Meaning.USED:
            forms = [("1", "0"), ("1.0", "0.0"), (yes, no), ("TRUE", "FALSE")]
            one, none = dice.choice(forms)
            return (one, True) if fate == "used" else (none, False)
        case Meaning.LIMIT:
            return "1", False
        case Meaning.LEFT:
            return ("0", True) if fate == "used" else ("1", False)
        case Meaning.ENABLED:
            return (no, True) if fate == "disabled" else (yes, False)
        case Meaning.DISABLED:
            return (yes, True) if fate == "disabled" else (no, False)
        case Meaning.EXPIRED:
            return (yes, True) if fate == "expired" else (no, False)
        case Meaning.USED_AT:
            return ("2026-05-04", True) if fate == "used" else ("", False)
        case Meaning.DISABLED_AT:
            return ("2026-05-04", True) if fate == "disabled" else ("", False)
        case Meaning.ENDS:
            past, coming = dice.choice(
                [("2025-01-31", "2027-01-31"), ("31.01.2025", "31.01.2027"), ("01/31/2025", "")]
            )
            return (past, True) if fate == "expired" else (coming, False)
        case Meaning.STARTS:
            return "2026-01-01", False
        case Meaning.PIN:
            return f"{dice.randrange(10_000):04}", False
        case Meaning.TAIL:
            return _code(dice, "####"), False
    return dice.choice(_OTHER.get(meaning, ("",))), False


def _damaged(dice: random.Random, code: str, damage: float, export: Export) -> str:
    """A code as it stands in the file; what cannot be mended is remembered as bad."""
    if damage < 0.7 or dice.random() < 0.5:
        return code
    if damage < 0.75:
        return f'="{code}"'
    if damage < 0.8:
        return f"'{code}"
    if damage < 0.85:
        return code.replace("-", "−") + "\u00ad"
    if damage < 0.9:
        return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in code)
    return dice.choice(
        ["6,03628E+15", "1.23E+12", "#####", "#N/A", "#REF!", code[:3] + "\u200b" + code[3:]]
    )


def _amount(dice: random.Random, amount: Decimal, comma: bool) -> str:
    """An amount as people write it where the comma, or the point, sets its cents apart."""
    whole, _, cents = f"{amount:.2f}".partition(".")
    grouped = f"{int(whole):,}"
    if comma:
        text = dice.choice([whole, grouped.replace(",", "."), grouped.replace(",", "\u202f")])
        text += f",{cents}"
        return dice.choice([text, text, f"{text} €", f"{text} EUR"])
    text = dice.choice([whole, grouped, grouped.replace(",", "'")]) + f".{cents}"
    return dice.choice([text, text, f"€{text}", f"EUR {text}"])


def _text(
    dice: random.Random,
    headings: list[tuple[str, Meaning]],
    rows: list[list[str]],
    separator: str,
    language: str,
) -> str:
    out = io.StringIO()
    end = dice.choice(["\n", "\r\n"])
    quoting = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(out, delimiter=separator, lineterminator=end, quoting=quoting)
    if dice.random() < 0.15:
        out.write(f"sep={separator}{end}")
    elif dice.random() < 0.15:
        out.write(f"Export of coupons, 28 November 2026{end}{end}")
    if len(headings) == 1 or dice.random() < 0.97:
        writer.writerow([name for name, _ in headings])
    for row in rows:
        writer.writerow(row)
        if dice.random() < 0.05:
            out.write(end)
    if dice.random() < 0.1 and len(headings) > 1:
        total = {"de": "Summe", "fr": "Total général", "nl": "Totaal", "pl": "Razem"}
        writer.writerow([total.get(language, "Total"), *[""] * (len(headings) - 1)])
    return out.getvalue()


#: What the campaign gives to a card without an amount: no export says it.
OWN = 1_500
_RING = Keyring({1: bytes(32)}, lookup_key=bytes(32))


def outcome_of(export: Export) -> str:
    """Read an export and hold what comes of it against what it holds."""
    expected = Expected(
        holds_money=export.holds_money, currency="EUR", amount_minor=OWN, uses=1, now=NOW
    )
    sealer = Sealer(keyring=_RING, expected=expected)
    good = {normalise(code): (code, money) for code, money in export.good.items()}
    bad = {normalise(code) for code in export.bad}
    accepted = refused = rows = 0
    try:
        for batch in reader.batches(io.BytesIO(export.data), expected=expected):
            sealed, rejects, count = sealer.seal(batch)
            rows += count
            refused += len(rejects)
            for row in sealed:
                accepted += 1
                code = _RING.open(row[2], row=row[0], key_id=1)
                key = normalise(code)
                assert key not in bad, f"{code} was no good any more"
                assert key in good, f"{code} is no code of the file"
                money = good[key][1]
                if export.holds_money and money is not None:
                    assert row[5] == money, f"{code} has {money}, not {row[5]}"
    except ColumnsUnclear:
        return "asked about"
    except FileFault:
        return "refused"
    assert accepted + refused == rows
    return "understood" if accepted or export.bad else "refused"
