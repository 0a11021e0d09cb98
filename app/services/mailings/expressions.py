"""An expression of a template becomes a function that a rendering calls.

Names are the recipient, the variable of a loop, and `loop` in it. A function can only be called,
with a campaign's key as it stands there: nothing else can hold one or hand it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes

from app.faults import Fault
from app.services.mailings import operations
from app.services.mailings.operations import Budget
from app.services.mailings.values import (
    FUNCTIONS,
    SHOWS_CODE,
    Values,
)

#: Parts of an expression, or of statements, that stand within each other.
DEEPEST = 60
#: Numbers that a template may write.
_LARGEST = 10**15
#: What may be asked of `loop`, by name, with what it is.
LOOP: dict[str, tuple[str, Callable[[Loop], Any]]] = {
    "index": ("The number of the round, from 1.", lambda loop: loop.index0 + 1),
    "index0": ("The number of the round, from 0.", lambda loop: loop.index0),
    "revindex": (
        "The number of rounds that are left, with this one.",
        lambda loop: loop.length - loop.index0,
    ),
    "revindex0": (
        "The number of rounds that follow.",
        lambda loop: loop.length - loop.index0 - 1,
    ),
    "first": ("Whether this is the first round.", lambda loop: loop.index0 == 0),
    "last": ("Whether this is the last round.", lambda loop: loop.index0 == loop.length - 1),
    "length": ("The number of all rounds.", lambda loop: loop.length),
}
#: What marketers know nodes by, and what to write instead.
_REMEDIES = {
    nodes.Assign: ("set", "write the value where it is used"),
    nodes.AssignBlock: ("set", "write the text where it is used"),
    nodes.With: ("with", "write the value where it is used"),
    nodes.Block: ("block", "write the text itself"),
    nodes.Macro: ("macro", "write the text itself"),
    nodes.CallBlock: ("call", "write the text itself"),
    nodes.FilterBlock: ("filter as a block", "write the filter after each value"),
    nodes.Include: ("include", "write the text itself"),
    nodes.Import: ("import", "write the text itself"),
    nodes.FromImport: ("import", "write the text itself"),
    nodes.Extends: ("extends", "write the text itself"),
    nodes.Scope: ("autoescape", 'send the message with the format "html"'),
    nodes.Concat: ("~", "write the values one after another, {{ a }}{{ b }}"),
    nodes.Pow: ("**", "write the number itself"),
    nodes.Dict: ("a table", "write a condition for each of its values"),
}


class MessageFault(Fault):
    """The message cannot be rendered for anybody; says why and the remedy."""

    code = "template_faulty"


@dataclass(slots=True)
class Loop:
    """How far a loop is: the number of its item from 0, and of how many."""

    length: int
    index0: int = 0


@dataclass(slots=True)
class Run:
    """One rendering: what names mean, what it may still cost and what it has written."""

    names: dict[str, Any]
    vouchers: Mapping[str, Values]
    budget: Budget
    pieces: list[str] = field(default_factory=list)
    loop: Loop | None = None

    def write(self, piece: str) -> None:
        self.budget.charge(len(piece))
        self.budget.grow(piece)
        self.pieces.append(piece)


Evaluate = Callable[[Run], Any]


def refused(node: nodes.Node, cause: str, remedy: str) -> MessageFault:
    """The fault of a part of the template: its line, the cause and what to do."""
    line = next(each.lineno for each in (node, *node.iter_child_nodes()) if each.lineno)
    return MessageFault(f"Line {line} of the template {cause}: {remedy}.")


def not_known(node: nodes.Node) -> MessageFault:
    """The fault of a part that messages do not have."""
    name, remedy = _REMEDIES.get(type(node), (type(node).__name__.lower(), "remove it"))
    return refused(node, f"uses {name}, which messages do not have", remedy)


class Expressions:
    """Reads the expressions of one template.

    Attributes:
        campaigns: the keys that its functions name, in their order.
        reveals: those whose codes stand in the text in clear.
        chooses: whether a part of it decides what else is looked at.
        names: what can be named at the place that is being read.
    """

    def __init__(self, *, is_html: bool) -> None:
        self.operations = operations.Operations(is_html=is_html)
        self.campaigns: dict[str, None] = {}
        self.reveals: set[str] = set()
        self.chooses = False
        self.names: frozenset[str] = frozenset({"recipient"})
        self._depth = 0
        self._readers: dict[type[nodes.Node], Callable[[Any], Evaluate]] = {
            nodes.Const: self._const,
            nodes.TemplateData: lambda node: lambda run: node.data,
            nodes.Name: self._name,
            nodes.Getattr: self._attribute,
            nodes.Getitem: self._item,
            nodes.Call: self._call,
            nodes.Filter: self._filter,
            nodes.Test: self._test,
            nodes.Compare: self._compare,
            nodes.CondExpr: self._choice,
            nodes.And: self._and,
            nodes.Or: self._or,
            nodes.Not: self._not,
            nodes.Neg: self._negative,
            nodes.Pos: self._positive,
            nodes.List: self._list,
            nodes.Tuple: self._list,
            **{getattr(nodes, name): self._arithmetic for name in operations.OPERATORS},
        }

    def read(self, node: nodes.Node) -> Evaluate:
        """The function that gives a node's value.

        Raises:
            MessageFault: messages do not have such a node.
        """
        reader = self._readers.get(type(node))
        if reader is None:
            raise not_known(node)
        self.enter(node)
        evaluate = reader(node)
        self.leave()

        if isinstance(node, nodes.Const):
            # What is made of it pays.
            return evaluate

        def counted(run: Run) -> Any:
            budget = run.budget
            budget.steps -= 1
            if budget.steps < 0:
                budget.settle()
            return evaluate(run)

        return counted

    def enter(self, node: nodes.Node) -> None:
        """Go one level down.

        Raises:
            MessageFault: there are too many levels.
        """
        self._depth += 1
        if self._depth > DEEPEST:
            raise refused(node, "is nested too deeply", "make it flatter")

    def leave(self) -> None:
        self._depth -= 1

    def _const(self, node: nodes.Const) -> Evaluate:
        value = node.value
        if isinstance(value, (int, float)) and not abs(value) < _LARGEST:
            raise refused(node, "has a number that is too large", f"stay below {_LARGEST:,}")
        return lambda run: value

    def _name(self, node: nodes.Name) -> Evaluate:
        name = node.name
        if name in FUNCTIONS:
            raise refused(
                node,
                f"names {name} without calling it",
                f'write {name}("campaign") with the campaign\'s key itself',
            )
        if name not in self.names:
            raise refused(
                node,
                f"names {name}, which is not known",
                "use recipient.NAME for an attribute of the recipient, and the functions "
                + ", ".join(FUNCTIONS),
            )
        if name == "recipient":
            raise refused(node, "names the whole recipient", "use recipient.NAME for an attribute")
        return lambda run: run.names[name]

    def _owner(self, node: nodes.Expr) -> Evaluate:
        """What has attributes: the recipient as well, which has no text of its own."""
        if isinstance(node, nodes.Name) and node.name == "recipient":
            return lambda run: run.names["recipient"]
        return self.read(node)

    def _attribute(self, node: nodes.Getattr) -> Evaluate:
        name = node.attr
        if isinstance(node.node, nodes.Name) and node.node.name == "loop":
            if "loop" not in self.names or name not in LOOP:
                raise refused(
                    node, f"names loop.{name}", f"use {', '.join(LOOP)} of loop, within a loop"
                )
            _, ask = LOOP[name]
            return lambda run: ask(run.loop) if run.loop is not None else None
        return self._looked_up(self._owner(node.node), lambda run: name)

    def _item(self, node: nodes.Getitem) -> Evaluate:
        owner = self._owner(node.node)
        if isinstance(node.arg, nodes.Slice):
            return self._slice(owner, node.arg)
        return self._looked_up(owner, self.read(node.arg))

    def _looked_up(self, owner: Evaluate, key: Evaluate) -> Evaluate:
        undefined = self.operations.environment.undefined

        def look_up(run: Run) -> Any:
            of, name = owner(run), key(run)
            if isinstance(of, Mapping):
                return of[name] if name in of else undefined(obj=of, name=name)
            if isinstance(of, (str, list, tuple)) and isinstance(name, int):
                if -len(of) <= name < len(of):
                    return of[name]
            elif isinstance(of, undefined):
                # Its own error says what is not defined.
                str(of)
            return undefined(obj=of, name=name)

        return look_up

    def _slice(self, owner: Evaluate, node: nodes.Slice) -> Evaluate:
        start, stop, step = (
            None if each is None else self.read(each) for each in (node.start, node.stop, node.step)
        )

        def cut(run: Run) -> Any:
            of = owner(run)
            if not isinstance(of, (str, list, tuple)):
                raise TypeError("only a text or a list has a beginning and an end")
            run.budget.charge(64 * len(of))
            return of[slice(*(None if each is None else each(run) for each in (start, stop, step)))]

        return cut

    def _call(self, node: nodes.Call) -> Evaluate:
        name = node.node.name if isinstance(node.node, nodes.Name) else None
        if name not in FUNCTIONS:
            raise refused(
                node,
                f"calls {name}, which is no function" if name else "calls what is no function",
                f"the functions are {', '.join(FUNCTIONS)}",
            )
        given = node.args[0] if len(node.args) == 1 else None
        key = given.value if isinstance(given, nodes.Const) else None
        if not isinstance(key, str) or not key or node.kwargs or node.dyn_args or node.dyn_kwargs:
            raise refused(
                node,
                f"calls {name} with something else than a key",
                f'write {name}("campaign") with the campaign\'s key itself',
            )
        self.campaigns[key] = None
        if name in SHOWS_CODE:
            self.reveals.add(key)
        return lambda run: getattr(run.vouchers[key], name)()

    def _filter(self, node: nodes.Filter) -> Evaluate:
        if node.name not in operations.FILTERS or node.node is None:
            known = ", ".join(sorted(operations.FILTERS))
            raise refused(
                node, f"uses the filter {node.name}, which messages do not have", f"use {known}"
            )
        return self._applied(node, node.node, self.operations.filter(node.name))

    def _test(self, node: nodes.Test) -> Evaluate:
        if node.name not in operations.TESTS:
            known = ", ".join(sorted(operations.TESTS))
            raise refused(
                node, f"uses the test {node.name}, which messages do not have", f"use {known}"
            )
        return self._applied(node, node.node, self.operations.test(node.name))

    def _applied(
        self, node: nodes.Filter | nodes.Test, of: nodes.Expr, apply: operations.Apply
    ) -> Evaluate:
        if node.dyn_args or node.dyn_kwargs:
            raise refused(node, f"hands {node.name} a list as arguments", "write them out")
        value = self._owner(of)
        args = [self.read(each) for each in node.args]
        options = {str(each.key): self.read(each.value) for each in node.kwargs}
        if not args and not options:
            return lambda run: apply(run.budget, value(run))
        return lambda run: apply(
            run.budget,
            value(run),
            *[each(run) for each in args],
            **{key: each(run) for key, each in options.items()},
        )

    def _compare(self, node: nodes.Compare) -> Evaluate:
        first = self.read(node.expr)
        rest = [(each.op, self._owner(each.expr)) for each in node.ops]

        def compare(run: Run) -> bool:
            left = first(run)
            for name, of in rest:
                right = of(run)
                if not operations.compared(run.budget, name, left, right):
                    return False
                left = right
            return True

        return compare

    def _choice(self, node: nodes.CondExpr) -> Evaluate:
        self.chooses = True
        if node.expr2 is None:
            raise refused(node, "has an if without an else", 'write else "" after it')
        test, yes, no = self.read(node.test), self.read(node.expr1), self.read(node.expr2)
        return lambda run: yes(run) if test(run) else no(run)

    def _and(self, node: nodes.And) -> Evaluate:
        self.chooses = True
        left, right = self.read(node.left), self.read(node.right)
        return lambda run: left(run) and right(run)

    def _or(self, node: nodes.Or) -> Evaluate:
        self.chooses = True
        left, right = self.read(node.left), self.read(node.right)
        return lambda run: left(run) or right(run)

    def _not(self, node: nodes.Not) -> Evaluate:
        value = self.read(node.node)
        return lambda run: not value(run)

    def _negative(self, node: nodes.Neg) -> Evaluate:
        value = self.read(node.node)
        return lambda run: operations.calculated("Sub", 0, value(run))

    def _positive(self, node: nodes.Pos) -> Evaluate:
        value = self.read(node.node)
        return lambda run: operations.calculated("Add", 0, value(run))

    def _arithmetic(self, node: nodes.BinExpr) -> Evaluate:
        name = type(node).__name__
        left, right = self.read(node.left), self.read(node.right)
        return lambda run: operations.calculated(name, left(run), right(run))

    def _list(self, node: nodes.List | nodes.Tuple) -> Evaluate:
        items = [self.read(each) for each in node.items]

        def listed(run: Run) -> list[Any]:
            run.budget.charge(64 * len(items))
            return [each(run) for each in items]

        return listed
