"""Finds what each column of a table holds, by its heading and all values below it.

An empty column is none. A heading that may mean two things is decided by its values. Codes and
money are never guessed: where they cannot be told, `ColumnsUnclear` shows the columns and asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.domain import amounts
from app.services.codes.formats import dates, evidence, status_words
from app.services.codes.formats.headings.lookup import WEAK, code_headings, meanings_of
from app.services.codes.formats.headings.meanings import (
    CHOICES,
    IGNORED,
    Meaning,
    choosable,
    chosen,
    squeezed,
)
from app.services.codes.formats.records import Column, ColumnsUnclear, FileFault
from app.services.codes.formats.spreadsheets import mended, rounded, shortened
from app.services.codes.formats.table_bounds import heading_of, is_footer
from app.services.codes.formats.text import TableRow
from app.services.codes.reasons import Expected

#: Rows that are shown with a question.
_SHOWN = 5
#: Rows by which columns are judged.
_JUDGED = 20_000

_REMAINING = frozenset(
    [
        "remaining",
        "restant",
        "reste",
        "resterend",
        "restante",
        "pozostalo",
        "residuo",
        "verfugbar",
        "left",
    ]
)
_EXACT = frozenset(
    ["code", "couponcode", "vouchercode", "giftcardcode", "discountcode", "promocode"]
)
_SEVERAL = frozenset(
    {
        Meaning.STATUS, Meaning.USED, Meaning.ENABLED, Meaning.DISABLED, Meaning.EXPIRED,
        Meaning.USED_AT, Meaning.DISABLED_AT, Meaning.STARTS, Meaning.ENDS, Meaning.KIND,
        Meaning.CURRENCY, Meaning.LIMIT, Meaning.LEFT,
    }
)  # fmt: skip
_MONEY = (Meaning.BALANCE, Meaning.AMOUNT, Meaning.MINOR)


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a table are read."""

    #: Index of the row in which the data begins, and the heading.
    begins: int
    heading: tuple[str, ...] | None
    columns: Mapping[Meaning, tuple[int, ...]]
    #: How amounts are written, where the column decides it.
    marks: amounts.Marks | None = None
    #: By column of dates: whether the day stands first.
    day_first: Mapping[int, bool | None] = field(default_factory=dict)
    #: Whether all numbers of the code's column were cut short by a spreadsheet.
    shortened: bool = False
    rounded: bool = False

    def at(self, meaning: Meaning) -> int | None:
        """Return the only column of a meaning."""
        return next(iter(self.columns.get(meaning, ())), None)


def survey(rows: Sequence[TableRow], columns: Mapping[str, str], expected: Expected) -> Layout:
    """Find how a table that begins with `rows` is read.

    Args:
        columns: what a person said: a column's number (from 1) or heading by its meaning.

    Raises:
        ColumnsUnclear: what holds codes or money cannot be told.
        FileFault: a column that a person named does not exist.
    """
    return _Survey(rows, columns, expected).layout()


class _Survey:
    def __init__(
        self, rows: Sequence[TableRow], columns: Mapping[str, str], expected: Expected
    ) -> None:
        self.expected = expected
        self.begins, self.heading = heading_of(rows)
        width = max((len(row) for _, row in rows), default=0)
        self.names = [*(self.heading or ()), *[""] * width][:width]
        data = [row for _, row in rows[self.begins :] if row != self.heading][:_JUDGED]
        while data and is_footer(
            next((cell.strip() for cell in data[-1] if cell.strip()), "-" * 3)
        ):
            data.pop()
        self.values = [
            [text for row in data if at < len(row) and (text := mended(row[at]))]
            for at in range(width)
        ]
        self.shown = [row for _, row in rows[self.begins : self.begins + _SHOWN]]
        self.rows = len(data)
        self.given = self._given(columns)
        self.found: dict[Meaning, list[int]] = {}
        self.doubts: list[str] = []
        self.suggested: dict[int, Meaning] = {}
        self.taken: set[int] = set()

    def layout(self) -> Layout:
        """Return the layout, or the question."""
        named = [self._meanings(at) for at in range(len(self.names))]
        for meaning, at in self.given:
            self._put(meaning, at)
        for at, meanings in enumerate(named):
            if at not in self.taken:
                for meaning in meanings - {Meaning.CODE, *_MONEY}:
                    self._judge(meaning, at, meanings, named)
        if Meaning.CODE not in self.found:
            self._find_code(named)
        self._find_money(named)
        self._look_at_unnamed(named)
        if self.doubts:
            raise ColumnsUnclear(self.doubts, self._columns())
        code = self.found[Meaning.CODE][0]
        money = [at for meaning in (*_MONEY, Meaning.SPENT) for at in self.found.get(meaning, ())]
        return Layout(
            begins=self.begins,
            heading=tuple(self.heading) if self.heading is not None else None,
            columns={meaning: tuple(places) for meaning, places in self.found.items()},
            marks=amounts.marks_of(text for at in money for text in self.values[at]),
            day_first={
                at: dates.order_of(self.values[at])
                for meaning in (Meaning.STARTS, Meaning.ENDS)
                for at in self.found.get(meaning, ())
            },
            shortened=shortened(self.values[code]),
            rounded=rounded(self.values[code]),
        )

    def _given(self, columns: Mapping[str, str]) -> list[tuple[Meaning, int]]:
        names = [squeezed(name) for name in self.names]
        found = []
        for role, place in columns.items():
            meaning = chosen(role)
            for one in place.split("|"):
                text = one.strip()
                if text.isascii() and text.isdigit() and 1 <= int(text) <= len(self.names):
                    found.append((meaning, int(text) - 1))
                elif squeezed(text) and squeezed(text) in names:
                    found.append((meaning, names.index(squeezed(text))))
                else:
                    shown = ", ".join(
                        f"{number} {name!r}" if self.heading else str(number)
                        for number, name in enumerate(self.names[:20], start=1)
                    )
                    said = f"No column is called {text!r}: the file has {shown}."
                    if "=" in text:
                        said += f" Before = stands one of {', '.join(CHOICES)} or {IGNORED}."
                    raise FileFault(said)
        return found

    def _put(self, meaning: Meaning, at: int) -> None:
        places = self.found.setdefault(meaning, [])
        if meaning in _SEVERAL or not places:
            places.append(at)
        self.taken.add(at)

    def _meanings(self, at: int) -> frozenset[Meaning]:
        """Tell what a column's heading may mean; nothing when there is no value below it."""
        if not self.values[at]:
            return frozenset({Meaning.OTHER})
        meanings = meanings_of(self.names[at])
        if Meaning.CODE in meanings and len(meanings) > 1:
            return self._code_or_amount(at, meanings)
        if not self.expected.holds_money and squeezed(self.names[at]) in _REMAINING:
            return frozenset({Meaning.LEFT})
        return meanings

    def _code_or_amount(self, at: int, meanings: frozenset[Meaning]) -> frozenset[Meaning]:
        """Decide of `Value`, an amount to most systems, and the code itself to Talon.One."""
        values = self.values[at]
        numbers = evidence.share(
            values, lambda text: text.isdigit() or amounts.looks_like_money(text)
        )
        if numbers >= evidence.MOSTLY or evidence.quality(self.values[at]) < evidence.MOSTLY:
            return meanings - {Meaning.CODE}
        return frozenset({Meaning.CODE})

    def _judge(
        self,
        meaning: Meaning,
        at: int,
        meanings: frozenset[Meaning],
        named: Sequence[frozenset[Meaning]],
    ) -> None:
        """Take a column for what its heading says, if its values agree."""
        values, name = self.values[at], self.names[at]
        if meaning is Meaning.OTHER or at in self.taken:
            return
        if meanings == {Meaning.USED, Meaning.LIMIT}:
            self._uses(at, named)
        elif (
            meaning is Meaning.USED
            and self.expected.holds_money
            and any(
                amounts.looks_like_money(text) and status_words.count_of(text) is None
                for text in values
            )
        ):
            self._put(Meaning.SPENT, at)
        elif meaning in (Meaning.STARTS, Meaning.ENDS):
            if evidence.share(values, evidence.is_date) >= 0.5:
                self._put(meaning, at)
        elif meaning is Meaning.STATUS and not any(map(evidence.is_state, values)):
            self._doubt(f"Column {at + 1}, {name!r}, has no status that is known.", at, meaning)
        elif meaning in (Meaning.ENABLED, Meaning.EXPIRED, Meaning.DISABLED, Meaning.USED):
            if meaning is Meaning.ENABLED and all(map(dates.is_date, values)):
                self._put(Meaning.ENDS, at)
            elif not any(map(evidence.is_flag, values)):
                self._doubt(f"Column {at + 1}, {name!r}, has no yes, no or count.", at, meaning)
            else:
                self._put(meaning, at)
        else:
            self._put(meaning, at)

    def _uses(self, at: int, named: Sequence[frozenset[Meaning]]) -> None:
        """Decide of `Uses`, a flag in Magento's grid, a count in some files, a limit in others."""
        values = self.values[at]
        counts = [status_words.count_of(text) for text in values]
        beside = any(other == {Meaning.USED} and place != at for place, other in enumerate(named))
        if None in counts or 0 in counts:
            self._put(Meaning.USED, at)
        elif beside:
            self._put(Meaning.LIMIT, at)
        else:
            self._doubt(
                f"Column {at + 1}, {self.names[at]!r}, may say how often a code was used or how "
                "often it may be: name it used or limit.",
                at,
                Meaning.USED,
            )

    def _find_code(self, named: Sequence[frozenset[Meaning]]) -> None:
        free = [at for at in range(len(self.names)) if at not in self.taken and self.values[at]]
        sure = code_headings(self.names)
        strong = [
            at
            for at in free
            if Meaning.CODE in named[at]
            and (squeezed(self.names[at]) not in WEAK or self.names[at] in sure)
        ]
        weak = [at for at in free if Meaning.CODE in named[at] and at not in strong]
        alike = [at for at in free if not named[at] and evidence.look_like_codes(self.values[at])]
        if len(self.names) == 1 and free:
            # There is nothing else that it could be.
            self._put(Meaning.CODE, 0)
        elif len(strong) == 1 and not self._is_a_label(strong[0], [*weak, *alike]):
            self._put(Meaning.CODE, strong[0])
        elif strong:
            self._choose(strong if len(strong) > 1 else [*strong, *weak, *alike])
        elif len(weak) == 1 and evidence.look_like_codes(self.values[weak[0]]) and not alike:
            self._put(Meaning.CODE, weak[0])
        elif not weak and len(alike) == 1 and self.heading is None and self.rows > 1:
            self._put(Meaning.CODE, alike[0])
        elif any(Meaning.TAIL in meanings for meanings in named) and not (strong or weak):
            raise FileFault(
                "The file has only the last characters of its codes, as systems show them that "
                "keep the codes secret: export them whole, or make new ones."
            )
        elif not free:
            raise FileFault("The file has a heading and no codes below it: export it again.")
        else:
            what = (
                "No column looks like codes."
                if not (weak or alike)
                else ("It cannot be told which column holds the codes.")
            )
            self.doubts.append(what)
            for at in (weak or alike)[:3]:
                self.suggested[at] = Meaning.CODE

    def _choose(self, places: Sequence[int]) -> None:
        """Take the column with the better values of several that are called codes."""
        scores = sorted(
            (
                (
                    evidence.quality(self.values[at]) + 0.3 * (squeezed(self.names[at]) in _EXACT),
                    -at,
                )
                for at in places
            ),
            reverse=True,
        )
        if scores[0][0] - scores[1][0] < 0.15:
            self.doubts.append("Several columns may hold the codes.")
            self.suggested |= {-at: Meaning.CODE for _, at in scores}
            return
        self._put(Meaning.CODE, -scores[0][1])

    def _is_a_label(self, at: int, others: Sequence[int]) -> bool:
        """Tell whether a column called code says the same in each row, while another differs."""
        values = self.values[at]
        return len(values) > 2 and len(set(values)) * 2 < len(values) and bool(others)

    def _find_money(self, named: Sequence[frozenset[Meaning]]) -> None:
        if not self.expected.holds_money:
            return
        for meaning in (Meaning.MINOR, Meaning.BALANCE, Meaning.AMOUNT):
            if any(each in self.found for each in (Meaning.BALANCE, Meaning.MINOR)):
                break
            places = [
                at for at, each in enumerate(named) if meaning in each and at not in self.taken
            ]
            if meaning is Meaning.AMOUNT and Meaning.AMOUNT in self.found:
                break
            if len(places) > 1 and len({tuple(self.values[at]) for at in places}) > 1:
                self.doubts.append(
                    "Several columns may hold the money: "
                    + ", ".join(f"{at + 1} {self.names[at]!r}" for at in places)
                    + "."
                )
                self.suggested |= dict.fromkeys(places, Meaning.AMOUNT)
            elif places:
                self._put(meaning, places[0])
        if any(meaning in self.found for meaning in _MONEY):
            return
        if Meaning.AMOUNT in self.suggested.values():
            return
        for at in range(len(self.names)):
            if at in self.taken or named[at] - {Meaning.SPENT} or not self.values[at]:
                continue
            if evidence.look_like_money(self.values[at]):
                name = f", {self.names[at]!r}," if self.names[at].strip() else ""
                self._doubt(f"Column {at + 1}{name} may hold money.", at, Meaning.AMOUNT)

    def _look_at_unnamed(self, named: Sequence[frozenset[Meaning]]) -> None:
        """Look whether a column that nobody named says that codes were used."""
        for at, values in enumerate(self.values):
            if at in self.taken or named[at] or not values:
                continue
            if (
                evidence.share(values, lambda text: status_words.state_of(text) is not None)
                >= evidence.MOSTLY
            ):
                self._put(Meaning.STATUS, at)
                continue
            if evidence.share(values, evidence.is_date) >= evidence.MOSTLY and (
                len(values) < self.rows or evidence.span(values, self.expected.now)
            ):
                self._doubt(
                    f"Column {at + 1} has dates in some rows, or dates that are past and dates to "
                    "come: name it ends, used_at, or other if it is neither.",
                    at,
                    Meaning.ENDS,
                )
                continue
            flags = {status_words.flag_of(text) for text in values}
            numbers = set(filter(str.isdigit, values))
            if flags == {True, False} and not (numbers - {"0", "1"}):
                self._doubt(
                    f"Column {at + 1} says yes and no, maybe of codes that were used: name it "
                    "used or enabled, or other if it is neither.",
                    at,
                    Meaning.USED,
                )

    def _doubt(self, cause: str, at: int, meaning: Meaning) -> None:
        if at not in self.suggested:
            self.doubts.append(cause)
            self.suggested[at] = meaning

    def _columns(self) -> list[Column]:
        meanings = {at: meaning for meaning, places in self.found.items() for at in places}
        return [
            Column(
                number=at + 1,
                heading=name.strip()[:60],
                meaning=choosable(meanings.get(at) or self.suggested.get(at)),
                cells=tuple(row[at].strip()[:40] if at < len(row) else "" for row in self.shown),
            )
            for at, name in enumerate(self.names[:50])
        ]
