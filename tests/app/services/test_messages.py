"""The grammar of messages is closed, and every text has a budget that counts while it works."""

from __future__ import annotations

import time
from typing import Any

import pytest
from jinja2 import nodes

from app.services import mailings
from app.services.issuance import Person
from app.services.mailings import MessageFault, operations
from app.services.mailings.expressions import Expressions
from app.services.mailings.operations import (
    FILTERS,
    MOST_WORDS,
    TESTS,
)
from app.services.mailings.template import fill
from app.services.mailings.values import Sample, Values

#: Seconds within which anything is refused, on a machine that does other work as well.
SOON = 10


class _Vouchers(dict[str, Values]):
    def __missing__(self, key: str) -> Values:
        return Sample(is_html=False)


def _text(source: str, *, is_html: bool = False, **attributes: Any) -> str | None:
    message = mailings.read("m", source, is_html=is_html)
    person = Person(external_id="ada", language="fr", attributes=attributes)
    found = fill(message, person, _Vouchers())
    assert found.text is not None, found.fault
    return found.text


def _fault(source: str, **attributes: Any) -> str:
    """Why there is no text: for anybody, or for this recipient."""
    began = time.thread_time()
    try:
        message = mailings.read("m", source, is_html=True)
        found = fill(message, Person(external_id="ada", attributes=attributes), _Vouchers())
        assert found.text is None, found.text[:80]
        fault = str(found.fault)
    except MessageFault as refused:
        fault = str(refused)
    assert time.thread_time() - began < SOON
    return fault


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("Hi {{ recipient.name }}", "Hi Ada"),
        ("{{ recipient['name'][:1] }}{{ recipient.name[-1] }}", "Aa"),
        ("{{ recipient.nick|default(recipient.name|upper) }}", "ADA"),
        ("{% if recipient.nick is defined %}a{% elif recipient.n > 3 %}b{% endif %}", "b"),
        ("{% if recipient.n > 4 %}a{% else %}c{% endif %}", "c"),
        ("{{ 'vip' if recipient.n in [1, 4] else 'all' }}", "vip"),
        ("{{ 'a' if 'd' in recipient.name and not recipient.n == 5 else '' }}", "a"),
        ("{{ (recipient.n * 2.5)|round(1) }} {{ -recipient.n // 3 }}", "10.0 -2"),
        ("{{ 7 % recipient.n }} {{ +recipient.n - 1 }} {{ 1 / recipient.n }}", "3 3 0.25"),
        ("{% for c in 'ab' %}{{ loop.index }}{{ c if loop.last else ',' }}{% endfor %}", "1,2b"),
        ("{% for a, n in [[1, 1], [5, 2]] if n > 1 %}{{ a }}{{ loop.length }}{% endfor %}", "51"),
        ("{% for a in [] %}{{ a }}{% else %}none{% endfor %}", "none"),
        ("{% raw %}{{ x }}{% endraw %}{# a remark #}", "{{ x }}"),
        ("{{ promotional_code('spring') }}", "SAMPLE-CODE"),
        ("[shop:promotional_code(spring)]", "SAMPLE-CODE"),
        ("[barcodes for sale] {# [barcode] #}", "[barcodes for sale] "),
        ("{% for c in [wallet_link('a'), 'b'] %}{{ c|length }}-{% endfor %}", "33-1-"),
        ("{{ 0 or recipient.name }} {{ 1 < recipient.n <= 4 }}", "Ada True"),
        ("{{ 4 not in [1, recipient.n] }} {{ recipient.name != 'x' }}", "False True"),
        ("{{ 6 is divisibleby(3) }} {{ recipient.name is lower }}", "True False"),
        ("{{ recipient.name|truncate(length=4, end='') }} {{ ' x '|trim }}", "Ada x"),
        # A value may be called as a method of a table is.
        ("{{ recipient.items }}", "3"),
    ],
)  # fmt: skip
def test_a_message_says_what_its_grammar_has(source: str, text: str) -> None:
    assert _text(source, name="Ada", n=4, items=3) == text


def test_values_are_escaped_in_html_and_nothing_can_say_otherwise() -> None:
    assert _text("{{ recipient.name }}<br>", is_html=True, name="<b>") == "&lt;b&gt;<br>"
    assert _text("{{ '<b>' }}{{ recipient.name|e|upper }}", is_html=True, name="&") == (
        "&lt;b&gt;&AMP;"
    )
    assert "autoescape" in _fault("{% autoescape false %}{{ recipient.name }}{% endautoescape %}")


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("a\n{% set f = wallet_link %}{{ f('x') }}", "Line 2 of the template uses set"),
        ("{% set f %}x{% endset %}", "uses set"),
        ("{% with f = wallet_link %}{{ f('x') }}{% endwith %}", "uses with"),
        ("{% with a = 'x' %}{% with b = a %}{{ b }}{% endwith %}{% endwith %}", "uses with"),
        ("{% for f in [wallet_link] %}{{ f('x') }}{% endfor %}", "names wallet_link without"),
        ("{{ (wallet_link if 1 else barcode)('x') }}", "calls what is no function"),
        ("{{ (wallet_link or barcode)('x') }}", "calls what is no function"),
        ("{{ wallet_link|default('x') }}", "names wallet_link without"),
        ("{{ [wallet_link][0]('x') }}", "calls what is no function"),
        ("{% for wallet_link in ['x'] %}{{ wallet_link('x') }}{% endfor %}", "another meaning"),
        ("{% for recipient in ['x'] %}{% endfor %}", "gives recipient another meaning"),
        ("{% for loop in ['x'] %}{% endfor %}", "loop"),
        ("{% block a %}{{ self.a() }}{% endblock %}", "uses block"),
        ("{% block a %}{% block b %}{{ super() }}{% endblock %}{% endblock %}", "uses block"),
        ("{{ self.a() }}", "calls what is no function"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "uses macro"),
        ("{% call wallet_link('x') %}{% endcall %}", "uses call"),
        ("{% filter upper %}x{% endfilter %}", "uses filter as a block"),
        ("{% include 'x' %}", "uses include"),
        ("{% import 'x' as y %}", "uses import"),
        ("{% from 'x' import y %}", "uses import"),
        ("{% extends 'x' %}", "uses extends"),
        ("{% for a in 'ab' %}{% for b in 'ab' %}{% endfor %}{% endfor %}", "loop within a loop"),
        ("{% for a in 'ab' recursive %}{{ loop('ab') }}{% endfor %}", "loop within a loop"),
        ("{% for a in range(9) %}{% endfor %}", "calls range, which is no function"),
        ("{{ loop.index }}", "loop.index"),
        ("{% for a in 'ab' %}{{ loop.cycle('a', 'b') }}{% endfor %}", "calls what is no function"),
        ("{{ 'a' ~ 'b' }}", "uses ~"),
        ("{{ 9 ** 9 }}", "uses **"),
        ("{{ {'a': 1} }}", "uses a table"),
        ("{{ namespace(a=1) }}", "calls namespace"),
        ("{{ lipsum(n=9) }}", "calls lipsum"),
        ("{{ recipient.name.upper() }}", "calls what is no function"),
        ("{{ recipient.name|replace('a', 'b') }}", "the filter replace"),
        ("{{ '%99999d'|format(1) }}", "the filter format"),
        ("{{ [1, 2]|join }}", "the filter join"),
        ("{{ 'x'|center(99999) }}", "the filter center"),
        ("{{ recipient|attr('x') }}", "the filter attr"),
        ("{{ recipient.name|upper(*[1]) }}", "hands upper a list"),
        ("{{ wallet_link('x', *[1]) }}", "with something else than a key"),
        ("{{ wallet_link(recipient.name) }}", "with something else than a key"),
        ("{{ wallet_link(5) }}", "with something else than a key"),
        ("{{ 1 is sameas(1) }}", "the test sameas"),
        ("{{ 1 is callable }}", "the test callable"),
        ("{{ recipient }}", "names the whole recipient"),
        ("{{ wallet_link('') }}", "with something else than a key"),
        ("a\n[promotional_code(Flash_50)]", "Line 2 of the template names no campaign in [promo"),
        ("[promotional_code()]", "names no campaign in [promotional_code()]"),
        ("[shop:wallet_link]", "names no campaign in [shop:wallet_link]"),
        ("[Barcode(spring)]", "write [barcode(campaign)]"),
        ("[barcode(spring", "names no campaign in [barcode(spring"),
        ("{{ colour }}", "names colour, which is not known"),
        ("{% for a in 'ab' %}{% endfor %}{{ a }}", "names a, which is not known"),
        ("{{ 'a' if recipient.name }}", "an if without an else"),
        ("{% trans %}x{% endtrans %}", "unknown tag 'trans'"),
        ("{{ " + "9" * 9_000 + " }}", "a number that is too large"),
        ("{{ 0x" + "f" * 9_000 + " }}", "a number that is too large"),
        ("{{ 1e999 }}", "a number that is too large"),
        ("{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}", "nested too deeply"),
        ("{{ 1" + " + 1" * 200 + " }}", "nested too deeply"),
        ("{{ recipient" + ".a" * 200 + " }}", "nested too deeply"),
        ("{% if 1 %}" * 200 + "{% endif %}" * 200, "nested too deeply"),
        ("{{ 1 }}" * MOST_WORDS, f"more than {MOST_WORDS:,} words and signs"),
        ("{{ 1" + "+1" * MOST_WORDS + " }}", f"more than {MOST_WORDS:,} words and signs"),
    ],
)  # fmt: skip
def test_what_the_grammar_does_not_have_is_refused_by_line_before_anybody_gets_it(
    source: str, named: str
) -> None:
    with pytest.raises(MessageFault, match=r"^(Line \d+ of the|The) template") as fault:
        mailings.read("m", source, is_html=True)
    assert named in str(fault.value)


LOOP = "{% for c in '" + "x" * 90_000 + "' %}"
LONG = "'" + "a" * 90_000 + "'"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (LOOP + "x" * 90_000 + "{% endfor %}", "grows beyond 1,000,000 bytes"),
        (LOOP + "é" * 400 + "{% endfor %}", "grows beyond 1,000,000 bytes"),
        (LOOP + "{{ " + "1 and " * 50 + "0 and 1 }}{% endfor %}", "more than 200,000 steps"),
        (LOOP + "{{ 'b' in " + LONG + " }}{% endfor %}", "more than 200,000 steps"),
        (LOOP + "{{ " + LONG + " == recipient.long }}{% endfor %}", "more than 200,000 steps"),
        (LOOP + "{{ 1 in [" + "2," * 5_000 + "] }}{% endfor %}", "more than 200,000 steps"),
        ("{{ '" + "&" * 90_000 + "'|urlencode }}", "A value grows beyond 100,000"),
        ("{{ '" + "&" * 9_000 + "'" + "|urlencode" * 40 + " }}", "A value grows beyond 100,000"),
        ("{{ recipient.more }}", "grows beyond 1,000,000 bytes"),
        ("{{ recipient.more|upper }}", "A value grows beyond 100,000"),
        ("{{ [[1]] == [[1]] }}", "a comparison is for one value"),
        ("{{ [1] in [[1], [1]] }}", "a comparison is for one value"),
        ("{{ [1, 2] }}", "a whole list has no text"),
        ("{{ recipient|default(1) }}", "a whole list has no text"),
        ("{{ recipient|upper }}", "upper is for one value"),
        ("{{ 'x' * 999999999 }}", "arithmetic is for numbers"),
        ("{{ [1] * 999999999 }}", "arithmetic is for numbers"),
        ("{{ '%999999999d' % 1 }}", "arithmetic is for numbers"),
        ("{{ 999999999999 * 999999999999 * 2 }}", "arithmetic is for numbers"),
        # A text is a format where these take a remainder, and a list where they multiply.
        ("{{ '%999999999d' is odd }}", "odd is for numbers"),
        ("{{ 1 is divisibleby('9') }}", "divisibleby is for numbers"),
        ("{{ 'x'|round(9, 'ceil') }}", "round is for numbers"),
        ("{{ 5|round(-999999999) }}", "round takes 0 to 15 digits"),
        ("{{ 5|round(999999999, 'floor') }}", "round takes 0 to 15 digits"),
        ("{{ " + LONG + "|trim('" + "ab" * 60 + "') }}", "arguments of at most 100"),
        ("{{ '" + "f" * 9_000 + "'|int(base=16) }}", "fails for this recipient"),
        ("{{ 'x'|truncate(1) }}", "fails for this recipient (AssertionError)"),
        ("{{ 1 // 0 }}", "fails for this recipient (ZeroDivisionError)"),
        ("{{ recipient.nobody }}", "no attribute 'nobody'"),
        ("{{ recipient.nobody.more }}", "no attribute 'nobody'"),
        ("{{ ''.__class__ }}", "no attribute '__class__'"),
        ("{{ recipient.__class__ }}", "no attribute '__class__'"),
        ("{% for a in 5 %}{% endfor %}", "only a list or a text can be looped over"),
        ("{% for a in recipient.more %}{% endfor %}", "the list is too long"),
        ("{% for a, b in ['abc'] %}{% endfor %}", "fails for this recipient (ValueError)"),
        ("{{ 5[1:] }}", "has a beginning and an end"),
    ],
)  # fmt: skip
def test_what_would_grow_or_never_end_is_a_fault_within_its_budget(
    monkeypatch: pytest.MonkeyPatch, source: str, named: str
) -> None:
    # Steps and bytes are what is tested here; a slow machine has its time.
    monkeypatch.setattr(operations, "MOST_SECONDS", 60.0)
    assert named in _fault(source, long="a" * 90_000, more="y" * 1_000_001)


def test_every_node_of_jinja_is_in_the_grammar_or_refused() -> None:
    """A node that a later Jinja brings is refused like every other that is not known."""
    known = set(Expressions(is_html=True)._readers)
    every = {
        each
        for each in vars(nodes).values()
        if isinstance(each, type) and issubclass(each, nodes.Expr) and not each.abstract
    }

    assert {each.__name__ for each in every - known} == {
        "Concat", "ContextReference", "DerivedContextReference", "Dict", "EnvironmentAttribute",
        "ExtensionAttribute", "ImportedName", "InternalName", "MarkSafe", "MarkSafeIfAutoescape",
        "NSRef", "Pow", "Slice",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(FILTERS))
@pytest.mark.parametrize(
    "value", ["", "a" * 90_000, "&" * 90_000, "é" * 90_000, "9" * 90_000, 7, None, 1.5]
)
def test_every_filter_of_every_value_ends_within_its_budget(name: str, value: Any) -> None:
    message = mailings.read("m", f"{{{{ recipient.value|{name} }}}}", is_html=False)

    began = time.thread_time()
    found = fill(message, Person(external_id="a", attributes={"value": value}), _Vouchers())

    assert time.thread_time() - began < operations.MOST_SECONDS
    assert (found.text is None) is (found.fault is not None)


@pytest.mark.parametrize("name", sorted(TESTS.keys() - {"divisibleby"}))
@pytest.mark.parametrize("value", ["%9999999d", "a" * 90_000, 7, None, 1e300])
def test_every_test_of_every_value_ends_within_its_budget(name: str, value: Any) -> None:
    message = mailings.read("m", f"{{{{ recipient.value is {name} }}}}", is_html=False)

    found = fill(message, Person(external_id="a", attributes={"value": value}), _Vouchers())

    assert found.fault is not None or found.text in ("True", "False")


def test_time_is_looked_at_while_a_text_is_made_and_is_one_for_all_of_a_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(1_000))
    monkeypatch.setattr(time, "thread_time", lambda: next(clock) * 40.0)
    message = mailings.read("m", LOOP + "{{ c }}{% endfor %}", is_html=False)

    def ask() -> str | None:
        return fill(message, Person(external_id="a"), _Vouchers()).fault

    assert "more than 1 second of work" in str(ask())
    for _ in range(9):
        found = ask()
    assert "took 300 seconds of work already" in str(found)
    assert message.allowance.seconds <= 0


def test_a_text_of_many_conditions_is_far_within_its_budget() -> None:
    """What a marketer writes: a long mail with a choice in each paragraph."""
    source = "<p>{% if recipient.n > 3 %}{{ recipient.name|upper }}{% else %}-{% endif %}</p>" * 400
    assert (_text(source, name="Ada", n=4) or "").count("ADA") == 400
