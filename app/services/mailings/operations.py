"""Operations are what a template may do with values; each is bounded by a budget.

Jinja's own functions do the work. Those of them that grow what they are given, or that take a
text for a number, are asked only with arguments with which they cannot.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

#: Of one recipient's text.
MOST_STEPS = 200_000
LONGEST_TEXT = 1_000_000
MOST_SECONDS = 1.0
#: Of all texts of a message together.
MOST_SECONDS_TOGETHER = 300.0
#: Characters that one value may have, so that no single step is long.
LONGEST_VALUE = 100_000
#: Characters that cost a step.
_CHARACTERS = 64
#: Steps between two looks at the clock.
_STEPS = 1_000


class Exhausted(Exception):
    """A rendering needs more than its budget; says of what, and the remedy."""


@dataclass(slots=True)
class Allowance:
    """The processor time that all texts of a message may still take, in seconds."""

    seconds: float = MOST_SECONDS_TOGETHER


class Budget:
    """What one rendering may still cost.

    Time is the thread's own, so that a busy machine refuses nobody. Use it as a context manager:
    its end takes the time from the message's allowance. Whoever takes one of `steps` by hand, for
    speed, calls `settle` when they are below zero, as `charge` does.
    """

    __slots__ = ("_allowance", "_began", "_rest", "_room", "_until", "steps")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._rest = MOST_STEPS
        self.steps = 0
        self._room = LONGEST_TEXT

    def __enter__(self) -> Budget:
        if self._allowance.seconds <= 0:
            raise Exhausted(
                f"The message took {MOST_SECONDS_TOGETHER:.0f} seconds of work already: send it to "
                "the other recipients in a request of their own, or make the template simpler."
            )
        self._began = time.thread_time()
        self._until = self._began + min(MOST_SECONDS, self._allowance.seconds)
        return self

    def __exit__(self, *_: object) -> None:
        self._allowance.seconds -= time.thread_time() - self._began

    def charge(self, characters: int = 0) -> None:
        """Pay one step, and those of so many characters.

        Raises:
            Exhausted: no steps are left, or no time.
        """
        self.steps -= 1 + characters // _CHARACTERS
        if self.steps < 0:
            self.settle()

    def grow(self, piece: str) -> None:
        """Pay for a piece of the text before it is kept.

        Raises:
            Exhausted: the text would become too long.
            UnicodeEncodeError: the piece is no text that can be sent.
        """
        self._room -= len(piece) if piece.isascii() else len(piece.encode())
        if self._room < 0:
            raise Exhausted(
                f"The text grows beyond {LONGEST_TEXT:,} bytes: shorten it, or what it repeats."
            )

    def settle(self) -> None:
        """Take the next steps from what is left of them, while there is time."""
        self._rest += self.steps
        if self._rest < 0:
            raise Exhausted(
                f"The text takes more than {MOST_STEPS:,} steps: loop over fewer items, or make "
                "the template simpler."
            )
        if time.thread_time() > self._until:
            raise Exhausted(
                f"The text takes more than {MOST_SECONDS:.0f} second of work: make the template "
                "simpler."
            )
        self.steps = min(_STEPS, self._rest)
        self._rest -= self.steps


#: What a template may write after a bar, by name, with what it makes of a value. Those of numbers
#: and of texts take single values, the others lists as well.
_OF_NUMBERS = {
    "abs": "The number without its sign.",
    "round": "The number rounded, to 0 to 15 digits: `round(2)`. `round(0, 'floor')` and "
    "`round(0, 'ceil')` round down and up.",
}
_OF_LISTS = {
    "d": "The same as `default`.",
    "default": "The value, or the one in brackets where the recipient has no such attribute; with "
    "`true` after it, where the value is empty, too.",
    "first": "The first entry of a list, or the first character of a text.",
    "last": "The last entry of a list, or the last character of a text.",
    "length": "How many entries a list has, or characters a text.",
}
_OF_TEXTS = {
    "capitalize": "The text with a capital first letter and small letters after it.",
    "e": "The same as `escape`.",
    "escape": "The text with what HTML would read as marks written as characters. A message in "
    "HTML escapes every value by itself.",
    "float": "The number that the text writes, with decimals; 0.0 where it writes none.",
    "int": "The whole number that the text writes; 0 where it writes none.",
    "lower": "The text in small letters.",
    "title": "The text with a capital first letter in each word.",
    "trim": "The text without spaces around it, or without the characters in brackets.",
    "truncate": "The beginning of the text, up to so many characters, with `...` at its end.",
    "upper": "The text in capital letters.",
    "urlencode": "The text as it is written within an address.",
}
FILTERS = _OF_NUMBERS | _OF_LISTS | _OF_TEXTS
#: What a template may ask after `is`, by name, with what it holds of.
_TESTS_OF_NUMBERS = {
    "divisibleby": "The number is a multiple of the one in brackets.",
    "even": "The number is even.",
    "odd": "The number is odd.",
}
_TESTS_OF_TEXTS = {
    "lower": "The text has no capital letter.",
    "upper": "The text has no small letter.",
}
TESTS = (
    _TESTS_OF_NUMBERS
    | _TESTS_OF_TEXTS
    | {
        "boolean": "The value is `true` or `false`.",
        "defined": "The recipient has such an attribute.",
        "false": "The value is `false`.",
        "float": "The value is a number with decimals.",
        "integer": "The value is a whole number.",
        "none": "The value is nothing (`null` in JSON).",
        "number": "The value is a number.",
        "string": "The value is a text.",
        "true": "The value is `true`.",
        "undefined": "The recipient has no such attribute.",
    }
)
#: Characters of a filter's argument; `default` may give a longer one.
_LONGEST_ARGUMENT = 100
#: Digits to which numbers are rounded.
_MOST_DIGITS = 15
#: Below this every operator is quick and every result is.
_LARGEST = 10**12

#: Words and signs that a template may have, with the texts between them.
MOST_WORDS = 20_000

Apply = Callable[..., Any]
Binary = Callable[[Any, Any], Any]
OPERATORS: dict[str, Binary] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
}
COMPARISONS: dict[str, Binary] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gteq": operator.ge,
    "lt": operator.lt,
    "lteq": operator.le,
}


class _Counted(Extension):
    """Words and signs of a template are counted as they are read."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for number, token in enumerate(stream):
            if number >= MOST_WORDS:
                raise TemplateSyntaxError(
                    f"more than {MOST_WORDS:,} words and signs between braces: make it simpler",
                    token.lineno,
                )
            yield token


class Operations:
    """Filters and tests of a template whose values are escaped, or are not."""

    def __init__(self, *, is_html: bool) -> None:
        self.environment = Environment(
            # Mails of plain text escape nothing.
            autoescape=is_html,  # noqa: S701
            undefined=StrictUndefined,
            cache_size=0,
            extensions=[_Counted],
        )

    def filter(self, name: str) -> Apply:
        """One of `FILTERS`, as a function of a budget, a value and arguments.

        It raises Exhausted where the value becomes too long or the budget is used up, and
        TypeError or ValueError where the filter is not for such a value or such arguments.
        """
        ask = self._asked(self.environment.filters[name])
        single, number = name not in _OF_LISTS, name in _OF_NUMBERS

        def apply(budget: Budget, value: Any, *args: Any, **options: Any) -> Any:
            if single:
                _single(name, value)
            if number:
                _number(name, value)
            texts = 1
            for each in (*args, *options.values()):
                if single:
                    _bounded(name, each)
                texts += size_of(each)
            budget.charge(size_of(value) * texts)
            found = ask(value, *args, **options)
            size = size_of(found)
            if size > LONGEST_VALUE:
                raise Exhausted(f"A value grows beyond {LONGEST_VALUE:,} characters: shorten it.")
            budget.charge(size)
            return found

        return apply

    def test(self, name: str) -> Apply:
        """One of `TESTS`, as a function of a budget, a value and arguments, which raises alike."""
        ask = self._asked(self.environment.tests[name])
        number, text = name in _TESTS_OF_NUMBERS, name in _TESTS_OF_TEXTS

        def apply(budget: Budget, value: Any, *args: Any, **options: Any) -> bool:
            if number:
                # A text before a per cent sign is a format, which can be of any width.
                for each in (value, *args, *options.values()):
                    _number(name, each)
            elif text:
                _single(name, value)
            budget.charge(size_of(value))
            return bool(ask(value, *args, **options))

        return apply

    def _asked(self, function: Any) -> Callable[..., Any]:
        """Jinja's function without what some of them take first."""
        if hasattr(function, "jinja_pass_arg"):
            return partial(function, self.environment)
        asked: Callable[..., Any] = function
        return asked


def calculated(name: str, left: Any, right: Any) -> Any:
    """The result of one of `OPERATORS`.

    Raises:
        TypeError: a side is no number, or too large a one. A text that is multiplied is how a
            template stops a server.
    """
    for each in (left, right):
        _number("arithmetic", each)
    return OPERATORS[name](left, right)


def compared(budget: Budget, name: str, left: Any, right: Any) -> bool:
    """Whether one of `COMPARISONS` holds, or a value is in a list, a table or a text.

    Raises:
        Exhausted: the budget is used up.
        TypeError: the values cannot be compared. Whole lists never are, since one may be in
            another more often than could be counted.
    """
    _single("a comparison", left)
    if name in ("in", "notin"):
        return _contains(budget, left, right) is (name == "in")
    _single("a comparison", right)
    budget.charge(size_of(left) + size_of(right))
    return bool(COMPARISONS[name](left, right))


def _contains(budget: Budget, item: Any, within: Any) -> bool:
    if isinstance(within, (list, tuple)):
        return any(compared(budget, "eq", item, each) for each in within)
    budget.charge(size_of(item) + size_of(within))
    return bool(item in within)


def _single(name: str, value: Any) -> None:
    if isinstance(value, (list, tuple, Mapping)):
        raise TypeError(f"{name} is for one value, and this is a list of them")


def size_of(value: Any) -> int:
    """The characters of a text; 0 of everything else."""
    return len(value) if isinstance(value, str) else 0


def _bounded(name: str, argument: Any) -> None:
    if isinstance(argument, str) and len(argument) > _LONGEST_ARGUMENT:
        raise ValueError(f"{name} takes arguments of at most {_LONGEST_ARGUMENT} characters")
    if name == "round" and isinstance(argument, (int, float)) and not 0 <= argument <= _MOST_DIGITS:
        raise ValueError(f"{name} takes 0 to {_MOST_DIGITS} digits")


def _number(name: str, value: Any) -> None:
    if isinstance(value, StrictUndefined):
        # Its own error says what is not defined.
        str(value)
    if not isinstance(value, (int, float)) or not abs(value) < _LARGEST:
        raise TypeError(f"{name} is for numbers below a million millions, not for texts")
