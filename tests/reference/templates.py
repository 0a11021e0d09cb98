"""The template language of messages: each example is rendered by the service itself."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import TypeVar

from app.services.issuance import Person
from app.services.mailings import FUNCTIONS, LONGEST_TEMPLATE, LONGEST_TEXT, operations, read
from app.services.mailings.expressions import DEEPEST, LOOP
from app.services.mailings.operations import (
    COMPARISONS,
    FILTERS,
    MOST_WORDS,
    OPERATORS,
    TESTS,
)
from app.services.mailings.template import fill
from app.services.mailings.values import Sample
from tests.reference.markdown import code, fence, listed, paragraph, table

_T = TypeVar("_T")
#: The recipient of the examples.
_PERSON = Person(
    external_id="c-1001",
    language="fr",
    attributes={
        "name": "anna de Vries",
        "points": 1234.5,
        "visits": 6,
        "sizes": ["38", "40"],
        "vip": True,
        "street": " Rue A & B ",
        "mother": None,
        "code": "AB12",
    },
)

_FILTERS = {
    "abs": "{{ -5|abs }}",
    "capitalize": "{{ recipient.name|capitalize }}",
    "d": "{{ recipient.city|d('your city') }}",
    "default": "{{ recipient.city|default('your city') }}",
    "e": "{{ 'A & B'|e }}",
    "escape": "{{ 'A & B'|escape }}",
    "first": "{{ recipient.sizes|first }}",
    "float": "{{ '7.5'|float }}",
    "int": "{{ '7'|int + 1 }}",
    "last": "{{ recipient.sizes|last }}",
    "length": "{{ recipient.sizes|length }}",
    "lower": "{{ recipient.code|lower }}",
    "round": "{{ recipient.points|round }}",
    "title": "{{ recipient.name|title }}",
    "trim": "{{ recipient.street|trim }}",
    "truncate": "{{ 'A rather long sentence'|truncate(12) }}",
    "upper": "{{ recipient.name|upper }}",
    "urlencode": "{{ 'A & B'|urlencode }}",
}
_TESTS = {
    "boolean": "recipient.vip is boolean",
    "defined": "recipient.city is defined",
    "divisibleby": "recipient.visits is divisibleby(3)",
    "even": "recipient.visits is even",
    "false": "recipient.vip is false",
    "float": "recipient.points is float",
    "integer": "recipient.visits is integer",
    "lower": "recipient.code is lower",
    "none": "recipient.mother is none",
    "number": "recipient.visits is number",
    "odd": "recipient.visits is odd",
    "string": "recipient.name is string",
    "true": "recipient.vip is true",
    "undefined": "recipient.city is undefined",
    "upper": "recipient.code is upper",
}
_OPERATORS = {
    "Add": ("+", "{{ recipient.visits + 1 }}"),
    "Sub": ("-", "{{ 10 - recipient.visits }}"),
    "Mul": ("*", "{{ recipient.visits * 10 }}"),
    "Div": ("/", "{{ recipient.visits / 4 }}"),
    "FloorDiv": ("//", "{{ recipient.visits // 4 }}"),
    "Mod": ("%", "{{ recipient.visits % 4 }}"),
}
_COMPARISONS = {
    "eq": "==",
    "ne": "!=",
    "gt": ">",
    "gteq": ">=",
    "lt": "<",
    "lteq": "<=",
}


def page() -> str:
    functions = [
        (
            code(f'{{{{ {name}("summer-20") }}}}'),
            " ".join((inspect.getdoc(getattr(Sample, name)) or "").split()),
            code(_rendered(f'{{{{ {name}("summer-20") }}}}').replace("\n", " ")),
        )
        for name in FUNCTIONS
    ]
    loop = "{% for size in recipient.sizes %}{{ loop.index }}. size {{ size }} {% endfor %}"
    pieces = [
        "# Message templates\n",
        paragraph(
            "This page lists what the template of a message may say: values of the recipient, "
            "vouchers, conditions and one loop."
        ),
        paragraph(
            "`POST /api/v1/messages/render` makes a text for each recipient of a template; with "
            "`preview` it shows sample values and issues nothing. A template is written in the "
            "form of Jinja; `{# … #}` is a remark that no text shows. What is not on this page is "
            "refused, with its line and what to write instead, before anything is issued. Every "
            "result below is what the service makes of the example."
        ),
        "## Values\n",
        paragraph(
            "`{{ recipient.external_id }}` and `{{ recipient.language }}` are the recipient's. "
            "Every attribute that was sent with the recipient has its own name: `{{ "
            "recipient.name }}`, or `{{ recipient['first name'] }}` where the name has other "
            "characters than letters, digits and `_`. A value that the recipient does not have is "
            "a fault of this recipient's text; the others are made. Entries of a list or a table "
            "are named as in `{{ recipient.sizes[0] }}`."
        ),
        paragraph(
            'A message is plain text or HTML (`format` is `"text"` or `"html"`). In HTML every '
            "value is escaped."
        ),
        "## Vouchers\n",
        paragraph(
            "A function names a campaign by its key, written out between quotes. The voucher is "
            "issued when a recipient's text first asks for it; the same message never issues a "
            "second one. Where the campaign's rules give the recipient nothing, every function is "
            "empty, so that a condition can ask. The results are those of a preview."
        ),
        table(("write", "what it is", "in plain text"), functions),
        paragraph(
            f"Mail tools of shops write brackets: {_brackets()} "
            "mean the same, and a prefix such as `[mail:wallet_link(summer-20)]` is allowed."
        ),
        "## Conditions\n",
        fence(
            "{% if recipient.visits >= 5 %}Thank you for your visits.\n"
            "{% elif recipient.vip %}Welcome back.\n"
            "{% else %}Come and see us.\n{% endif %}",
            "jinja",
        ),
        paragraph(
            f"Compare with {_signs()}, ask "
            "with `in` and `not in` whether a value is in a list or a text, and combine with "
            "`and`, `or` and `not`. A short form is `{{ 'Madam' if recipient.vip else 'Hello' }}`, "
            "which always has an `else`. A value is also a condition by itself: it holds unless it "
            "is empty, 0, `false` or nothing."
        ),
        "### Tests\n",
        paragraph("`is` asks one of these of a value; `is not` asks the opposite."),
        table(
            ("test", "it holds when", "example", "result"),
            [
                (
                    code(name),
                    TESTS[name],
                    code(example),
                    _rendered(f"{{{{ 'yes' if {example} else 'no' }}}}"),
                )
                for name, example in _checked(_TESTS, TESTS).items()
            ],
        ),
        "## Filters\n",
        paragraph("A filter stands behind a bar and makes something of the value before it."),
        table(
            ("filter", "what it makes", "example", "result"),
            [
                (code(name), FILTERS[name], code(example), code(_rendered(example)))
                for name, example in _checked(_FILTERS, FILTERS).items()
            ],
        ),
        "## Arithmetic\n",
        table(
            ("sign", "example", "result"),
            [
                (code(sign), code(example), code(_rendered(example)))
                for sign, example in _checked(_OPERATORS, OPERATORS).values()
            ],
        ),
        paragraph(
            "Arithmetic is for numbers. A text that writes one becomes a number with `int` or "
            "`float`. Texts are joined by writing them one after another."
        ),
        "## The loop\n",
        paragraph(
            "A loop repeats its text for each entry of a list. Within it, its variable is the "
            "entry, and `loop` says how far it is. It may keep some entries only (`for size in "
            "recipient.sizes if size != '40'`) and say something else where none is left "
            "(`{% else %}`). A loop within a loop is refused."
        ),
        fence(loop + "\n\n" + _rendered(loop), "jinja"),
        table(("within a loop", "what it is"), [(code(f"loop.{n}"), LOOP[n][0]) for n in LOOP]),
        "## Bounds\n",
        "\n".join(
            [
                f"- A template has at most {LONGEST_TEMPLATE:,} characters, {MOST_WORDS:,} words "
                f"and signs between braces, and parts within parts {DEEPEST} deep.",
                f"- A recipient's text has at most {LONGEST_TEXT:,} bytes and takes at most "
                f"{operations.MOST_STEPS:,} steps and {operations.MOST_SECONDS:g} second of work; "
                f"one value in it has at most {operations.LONGEST_VALUE:,} characters.",
                f"- All texts of a request take at most {operations.MOST_SECONDS_TOGETHER:g} "
                "seconds of work.",
            ]
        ),
    ]
    return "\n".join(pieces)


def _brackets() -> str:
    return listed([code(f"[{name}(summer-20)]") for name in FUNCTIONS])


def _signs() -> str:
    return listed([code(sign) for sign in _checked(_COMPARISONS, COMPARISONS).values()])


def _rendered(template: str) -> str:
    """What the service makes of a template for the recipient of the examples."""
    message = read("reference", template, is_html=False)
    made = fill(message, _PERSON, dict.fromkeys(message.campaigns, Sample(is_html=False)))
    if made.text is None:
        raise ValueError(f"{template}: {made.fault}")
    return made.text


def _checked(examples: dict[str, _T], known: Collection[str]) -> dict[str, _T]:
    """The examples, if there is one for each of what the code knows."""
    if set(examples) != set(known):
        raise LookupError(f"Examples and code differ: {sorted(set(examples) ^ set(known))}")
    return examples
