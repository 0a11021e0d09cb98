"""The grammar turns Jinja's tree of a template into work that is counted as it is done.

The grammar is closed: text, values, conditions and one loop, and of expressions those of
`app.services.mailings.expressions`. Every other node is a fault that names its line. No template
becomes a program of its own, so that nothing works but what pays from the rendering's budget.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import TemplateSyntaxError, nodes
from markupsafe import Markup, escape

from app.services.mailings.expressions import (
    Evaluate,
    Expressions,
    Loop,
    MessageFault,
    Run,
    not_known,
    refused,
)
from app.services.mailings.operations import LONGEST_VALUE
from app.services.mailings.values import FUNCTIONS

Render = Callable[[Run], None]


class Grammar:
    """Reads one template; `expressions` then says what it names."""

    def __init__(self, *, is_html: bool) -> None:
        self.expressions = Expressions(is_html=is_html)
        self._write = escape if is_html else str

    def read(self, source: str) -> Render:
        """The work that a template is.

        Raises:
            MessageFault: it does not parse, or uses what messages do not have.
        """
        try:
            tree = self.expressions.operations.environment.parse(source)
            return self._statements(tree.body)
        except TemplateSyntaxError as error:
            cause = (error.message or "is not understood").rstrip(".")
            raise MessageFault(f"Line {error.lineno} of the template: {cause}.") from None
        except RecursionError:
            raise MessageFault("The template is nested too deeply: make it flatter.") from None
        except (ValueError, OverflowError):
            # Python reads no whole number of thousands of digits.
            raise MessageFault("The template has a number that is too large.") from None

    def _statements(self, body: Sequence[nodes.Node]) -> Render:
        parts = [part for node in body for part in self._statement(node)]
        if len(parts) == 1:
            return parts[0]

        def render(run: Run) -> None:
            for part in parts:
                part(run)

        return render

    def _statement(self, node: nodes.Node) -> list[Render]:
        self.expressions.enter(node)
        if isinstance(node, nodes.Output):
            parts = [self._piece(each) for each in node.nodes]
        elif isinstance(node, nodes.If):
            parts = [self._condition(node)]
        elif isinstance(node, nodes.For):
            parts = [self._loop(node)]
        else:
            raise not_known(node)
        self.expressions.leave()
        return parts

    def _piece(self, node: nodes.Node) -> Render:
        if isinstance(node, nodes.TemplateData):
            text = node.data
            return lambda run: run.write(text)
        value, write = self.expressions.read(node), self._write

        def render(run: Run) -> None:
            found = value(run)
            if isinstance(found, (list, tuple, Mapping)):
                raise TypeError("a whole list has no text: name one of its values")
            run.write(write(found))

        return render

    def _condition(self, node: nodes.If) -> Render:
        self.expressions.chooses = True
        branches = [
            (self.expressions.read(each.test), self._statements(each.body))
            for each in (node, *node.elif_)
        ]
        otherwise = self._statements(node.else_)

        def render(run: Run) -> None:
            for test, body in branches:
                if test(run):
                    return body(run)
            return otherwise(run)

        return render

    def _loop(self, node: nodes.For) -> Render:
        self.expressions.chooses = True
        outside = self.expressions.names
        if node.recursive or "loop" in outside:
            raise refused(node, "has a loop within a loop", "one is enough")
        items = self.expressions.read(node.iter)
        names = self._targets(node.target)
        self.expressions.names = outside | set(names)
        keep = None if node.test is None else self.expressions.read(node.test)
        self.expressions.names |= {"loop"}
        body = self._statements(node.body)
        self.expressions.names = outside
        otherwise = self._statements(node.else_)
        single = names[0] if isinstance(node.target, nodes.Name) else None

        def assign(run: Run, item: Any) -> None:
            run.budget.charge()
            if single is not None:
                run.names[single] = item
            else:
                run.names.update(zip(names, item, strict=True))

        def kept(run: Run, item: Any) -> bool:
            assign(run, item)
            return keep is None or bool(keep(run))

        def render(run: Run) -> None:
            found = _items(run, items)
            if keep is not None:
                found = [item for item in found if kept(run, item)]
            run.loop = Loop(length=len(found))
            for number, item in enumerate(found):
                run.loop.index0 = number
                assign(run, item)
                body(run)
            run.loop = None
            if not found:
                otherwise(run)

        return render

    def _targets(self, node: nodes.Node) -> list[str]:
        """The names that a loop gives its items."""
        targets = node.items if isinstance(node, nodes.Tuple) else [node]
        names = []
        for each in targets:
            if not isinstance(each, nodes.Name):
                raise refused(
                    node, "names the items of a loop in no way that is known", "use names"
                )
            if each.name in ("recipient", "loop", *FUNCTIONS):
                raise refused(node, f"gives {each.name} another meaning", "use another name")
            names.append(each.name)
        return names


def _items(run: Run, items: Evaluate) -> Sequence[Any]:
    found = items(run)
    if isinstance(found, Mapping):
        found = list(found)
    if not isinstance(found, (str, list, tuple)):
        raise TypeError("only a list or a text can be looped over")
    if len(found) > LONGEST_VALUE:
        raise TypeError("the list is too long")
    return found if not isinstance(found, Markup) else str(found)
