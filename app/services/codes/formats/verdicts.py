"""Judges what a row says of its code: money or uses that are left, or why it is refused.

Of several cells the strictest holds. Nothing that cannot be read counts as good.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.domain import amounts
from app.domain.amounts import AmountFault, AmountProblem
from app.services.codes.formats import dates, status_words
from app.services.codes.formats.columns import Layout
from app.services.codes.formats.headings.meanings import Meaning
from app.services.codes.formats.spreadsheets import damage
from app.services.codes.formats.status_words import State
from app.services.codes.reasons import Expected, RejectReason

_PERCENT = re.compile(r"percent|%|prozent|pourcent|porcent|percentage|procent", re.IGNORECASE)
_REASONS = {
    State.USED: RejectReason.USED,
    State.DISABLED: RejectReason.DISABLED,
    State.EXPIRED: RejectReason.EXPIRED,
    State.SCHEDULED: RejectReason.SCHEDULED,
    State.GIVEN: RejectReason.GIVEN,
    State.PARTLY: RejectReason.PARTLY_USED,
}
_AMOUNT_REASONS = {
    AmountProblem.NONE: RejectReason.BAD_AMOUNT,
    AmountProblem.DECIMALS: RejectReason.BAD_AMOUNT,
    AmountProblem.TOO_LARGE: RejectReason.BAD_AMOUNT,
    AmountProblem.AMBIGUOUS: RejectReason.AMBIGUOUS_AMOUNT,
    AmountProblem.NEGATIVE: RejectReason.NEGATIVE_AMOUNT,
    AmountProblem.CURRENCY: RejectReason.WRONG_CURRENCY,
}

#: A cell by its place, mended; empty where the row is too short.
Cell = Callable[[int], str]


class _RowRefused(Exception):
    """The row is refused; never leaves this module."""

    def __init__(self, reason: RejectReason) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What a row gives."""

    amount: int | None = None
    limit: int | None = None
    refused: RejectReason | None = None


class Judge:
    """Judges the rows of one file, whose columns are known."""

    def __init__(self, layout: Layout, expected: Expected) -> None:
        self._layout = layout
        self._expected = expected
        self._zone = ZoneInfo(expected.timezone)
        columns = layout.columns
        self._flags = [
            (meaning, at)
            for meaning in (
                Meaning.STATUS,
                Meaning.ENABLED,
                Meaning.DISABLED,
                Meaning.EXPIRED,
                Meaning.DISABLED_AT,
            )
            for at in columns.get(meaning, ())
        ]
        self._used, self._used_at = columns.get(Meaning.USED, ()), columns.get(Meaning.USED_AT, ())
        self._limits, self._lefts = columns.get(Meaning.LIMIT, ()), columns.get(Meaning.LEFT, ())
        self._starts, self._ends = columns.get(Meaning.STARTS, ()), columns.get(Meaning.ENDS, ())
        self._currencies = columns.get(Meaning.CURRENCY, ())
        self._kinds = columns.get(Meaning.KIND, ())
        self._money = next(
            (
                (meaning, at)
                for meaning in (Meaning.MINOR, Meaning.BALANCE, Meaning.AMOUNT)
                if (at := layout.at(meaning)) is not None
            ),
            None,
        )
        self._spent = layout.at(Meaning.SPENT)
        #: Whether the row's own money says what is left, so that uses before need no count.
        self._says_rest = self._money is not None and (
            self._money[0] is not Meaning.AMOUNT or self._spent is not None
        )

    def verdict(self, cell: Cell) -> RowVerdict:
        """Tell what a row says."""
        amount, wrong = None, None
        if self._expected.holds_money:
            try:
                amount = self._amount(cell)
            except _RowRefused as refused:
                wrong = refused.reason
        try:
            if wrong is RejectReason.EMPTY_CARD:
                raise _RowRefused(wrong)
            self._check_state(cell)
            limit = None if self._expected.holds_money else self._limit(cell)
            if self._expected.holds_money:
                self._check_rest(cell)
            self._check_dates(cell)
        except _RowRefused as refused:
            return RowVerdict(refused=refused.reason)
        return RowVerdict(amount=amount, limit=limit, refused=wrong)

    def _amount(self, cell: Cell) -> int | None:
        expected = self._expected
        for at in self._currencies:
            said = cell(at).casefold()
            known = amounts.SIGNS.get(said, (said.upper(),))
            if said and expected.currency not in known:
                raise _RowRefused(RejectReason.WRONG_CURRENCY)
        if self._money is None:
            if expected.amount_minor is None:
                raise _RowRefused(RejectReason.MISSING_AMOUNT)
            return None
        if any(_PERCENT.search(cell(at)) for at in self._kinds):
            raise _RowRefused(RejectReason.BAD_AMOUNT)
        meaning, at = self._money
        text = cell(at)
        if not text and meaning is Meaning.AMOUNT and self._spent is None:
            # A file of one's own leaves open what the campaign says.
            if expected.amount_minor is None:
                raise _RowRefused(RejectReason.MISSING_AMOUNT)
            return None
        if not text:
            raise _RowRefused(RejectReason.MISSING_AMOUNT)
        if (broken := damage(text)) is not None:
            raise _RowRefused(broken)
        if meaning is Meaning.MINOR:
            if not text.isdigit() or len(text) > 14:
                raise _RowRefused(RejectReason.BAD_AMOUNT)
            minor = int(text)
        else:
            minor = self._minor(text)
            if meaning is Meaning.AMOUNT and self._spent is not None and cell(self._spent):
                minor -= self._minor(cell(self._spent).lstrip("-−"))
        if minor < 0:
            raise _RowRefused(RejectReason.NEGATIVE_AMOUNT)
        if not minor:
            raise _RowRefused(RejectReason.EMPTY_CARD)
        return minor

    def _minor(self, text: str) -> int:
        expected = self._expected
        try:
            return amounts.minor(
                text, digits=expected.digits, currency=expected.currency, marks=self._layout.marks
            )
        except AmountFault as fault:
            raise _RowRefused(_AMOUNT_REASONS[fault.fault]) from None

    def _check_state(self, cell: Cell) -> None:
        """Refuse what is not good, or not known to be, for the strictest reason."""
        worst = State.GOOD
        unknown = False
        for meaning, at in self._flags:
            text = cell(at)
            if not text:
                continue
            state = self._state(meaning, text)
            unknown = unknown or state is None
            worst = max(worst, state or State.GOOD)
        if worst is State.GIVEN and self._expected.holds_money:
            # Who holds a card keeps it where it moves to.
            worst = State.GOOD
        if worst is State.PARTLY and (self._says_rest or self._counts(cell)):
            worst = State.GOOD
        if worst is not State.GOOD:
            raise _RowRefused(_REASONS[worst])
        if unknown:
            raise _RowRefused(RejectReason.UNKNOWN_STATUS)

    def _state(self, meaning: Meaning, text: str) -> State | None:
        flag = status_words.flag_of(text)
        if meaning is Meaning.DISABLED_AT:
            return State.GOOD if flag is False or text.casefold() in dates.NONE else State.DISABLED
        if flag is None:
            if meaning is not Meaning.STATUS and dates.is_date(text):
                return State.GOOD if meaning is Meaning.ENABLED else self._dated(meaning, text)
            return status_words.state_of(text)
        good = flag if meaning in (Meaning.STATUS, Meaning.ENABLED) else not flag
        if good:
            return State.GOOD
        return State.EXPIRED if meaning is Meaning.EXPIRED else State.DISABLED

    def _dated(self, meaning: Meaning, text: str) -> State:
        """Judge a date in the place of a flag: an end, or the day that the code was disabled."""
        if meaning is not Meaning.EXPIRED:
            return State.DISABLED
        found = dates.moments_of(text, day_first=None, zone=self._zone, ends=True)
        now = self._expected.now
        return State.EXPIRED if found and now and found[0] <= now else State.GOOD

    def _counts(self, cell: Cell) -> bool:
        """Tell whether the row says how many of its uses are left."""
        return any(cell(at) for at in self._lefts) or (
            any(cell(at) for at in self._limits) and any(cell(at) for at in self._used)
        )

    def _use(self, cell: Cell) -> tuple[int, bool, int | None]:
        """Count uses; tell whether a word says that there were any, and a limit beside them."""
        count, flagged, limit = 0, False, None
        for at in self._used:
            text = cell(at)
            if not text:
                continue
            if (shared := status_words.share_of(text)) is not None:
                count, limit = max(count, shared[0]), shared[1]
            elif (times := status_words.count_of(text)) is not None:
                count = max(count, times)
            elif (flag := status_words.flag_of(text)) is not None:
                flagged = flagged or flag
            elif (state := status_words.state_of(text)) is not None:
                if state is not State.GOOD:
                    raise _RowRefused(_REASONS[state])
            elif dates.is_date(text):
                flagged = True
            else:
                raise _RowRefused(RejectReason.UNKNOWN_STATUS)
        return count, flagged, limit

    def _limit(self, cell: Cell) -> int | None:
        """Return the uses that are left, where they are fewer than the campaign's."""
        count, flagged, limit = self._use(cell)
        uses = self._expected.uses
        if not count and self._was_used(cell):
            count = 1
        for at in self._limits:
            times = status_words.count_of(cell(at))
            # No limit, and none at all, is written as nothing, as a word and as zero.
            if times:
                limit = times if limit is None else min(limit, times)
        left = limit - count if limit is not None else None
        if limit is None and count and uses is not None:
            left = uses - count
        for at in self._lefts:
            times = status_words.count_of(cell(at))
            if times is not None:
                left = times if left is None else min(left, times)
        if flagged or (left is not None and left <= 0):
            raise _RowRefused(RejectReason.USED)
        return left if left is not None and (uses is None or left < uses) else None

    def _check_rest(self, cell: Cell) -> None:
        """Refuse a card that was used, unless the row says what is left of it."""
        count, flagged, limit = self._use(cell)
        if flagged:
            raise _RowRefused(RejectReason.USED)
        for at in self._lefts:
            if status_words.count_of(cell(at)) == 0:
                raise _RowRefused(RejectReason.USED)
        if limit is not None and count >= limit:
            raise _RowRefused(RejectReason.USED)
        if not self._says_rest and (count or self._was_used(cell)):
            raise _RowRefused(RejectReason.PARTLY_USED)

    def _was_used(self, cell: Cell) -> bool:
        return any(
            text.casefold() not in dates.NONE and status_words.flag_of(text) is not False
            for at in self._used_at
            if (text := cell(at))
        )

    def _check_dates(self, cell: Cell) -> None:
        now, begins = self._expected.now, self._expected.starts_at
        if now is None:
            return
        for ends, places in ((True, self._ends), (False, self._starts)):
            for at in places:
                text = cell(at)
                if not text:
                    continue
                try:
                    found = dates.moments_of(
                        text,
                        day_first=self._layout.day_first.get(at),
                        zone=self._zone,
                        ends=ends,
                    )
                except ValueError:
                    raise _RowRefused(RejectReason.BAD_DATE) from None
                if found is None:
                    continue
                if ends and found[0] <= now:
                    raise _RowRefused(RejectReason.EXPIRED)
                if not ends and found[1] > now and (begins is None or found[1] > begins):
                    raise _RowRefused(RejectReason.SCHEDULED)


def cell_of(row: Sequence[str], mend: Callable[[str], str]) -> Cell:
    """Return a row's cells by place."""

    def cell(at: int) -> str:
        return mend(row[at]) if at < len(row) else ""

    return cell
