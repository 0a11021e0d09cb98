"""What a person can mend: one tree, at the top of the house.

Every part raises its own kind, with words for whoever has to mend it. The command line maps the
tree once, to a sentence or two and an exit status; whatever is not in the tree is a fault of the
program, and shows where.
"""

from __future__ import annotations

from typing import ClassVar


class Fault(Exception):
    """Something that cannot be done until a person mends its cause.

    Args:
        cause: what is wrong, in a sentence; it may name the remedy in the same breath.
        remedy: what to do, in a sentence.
        code: stable name for programs; its class's when absent.
        retry_after: seconds after which it may be otherwise; its class's when absent.
    """

    #: The exit status of a command that ends with it: 1 where it cannot be done, 2 where it was
    #: asked for wrongly.
    status: ClassVar[int] = 1
    code: str = "fault"
    retry_after: int | None = None

    def __init__(
        self,
        cause: str,
        remedy: str = "",
        *,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(" ".join(filter(None, (cause, remedy))))
        self.cause = cause
        self.remedy = remedy
        if code is not None:
            self.code = code
        if retry_after is not None:
            self.retry_after = retry_after
