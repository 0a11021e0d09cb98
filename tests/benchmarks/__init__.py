"""Benchmarks: `python -m tests.benchmarks [NAME]`, or `make bench [ONLY=NAME]`.

A benchmark compares ours with a reference in one run: short rounds of both in turn, the median of
each round's ratio, so that a busy machine slows both alike. Each module `bench_*.py` registers its
own::

    @benchmark("pkpass-build", goal=0.75, unit="passes/s")
    def pkpass_build() -> Iterator[Pair]:
        signer = ...                                  # set up before the yield, tear down after it
        yield Pair(ours=lambda: template.build(...), reference=lambda: key.sign(...))

For what is measured in another way (requests through a server, processes), yield a `Rounds` whose
function measures one round of both and returns (ours, reference) in the unit; for a figure that
stands for itself, yield a `Figure`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter


@dataclass(frozen=True, slots=True)
class Pair:
    """Two calls, each counted as one; rates are calls per second."""

    ours: Callable[[], object]
    reference: Callable[[], object]
    rounds: int = 15
    seconds: float = 0.2


@dataclass(frozen=True, slots=True)
class Rounds:
    """A function that measures one round of both sides: (ours, reference), more is better."""

    measure: Callable[[], tuple[float, float]]
    rounds: int = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that stands for itself, such as a duration: a value or a sentence."""

    text: str


Body = Callable[[], Iterator[Pair | Rounds | Figure]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A registered benchmark."""

    name: str
    goal: float | None
    unit: str
    body: Body


REGISTRY: dict[str, Benchmark] = {}


def benchmark(name: str, *, goal: float | None = None, unit: str = "/s") -> Callable[[Body], Body]:
    """Register a benchmark; `goal` is the least ratio of ours to the reference."""

    def register(body: Body) -> Body:
        if name in REGISTRY:
            raise ValueError(f"Two benchmarks are called {name}.")
        REGISTRY[name] = Benchmark(name, goal, unit, body)
        return body

    return register


def rate(call: Callable[[], object], seconds: float) -> float:
    """Return how often a second `call` runs, measured over about `seconds`."""
    count, batch = 0, 1
    start = perf_counter()
    while (elapsed := perf_counter() - start) < seconds:
        for _ in range(batch):
            call()
        count += batch
        batch = min(batch * 2, 64)
    return count / elapsed


def run(bench: Benchmark) -> str:
    """Run a benchmark and return its line."""
    body = bench.body()
    subject = next(body)
    try:
        if isinstance(subject, Figure):
            return f"{bench.name}: {subject.text}"
        if isinstance(subject, Pair):
            pair = subject
            rate(pair.ours, pair.seconds / 4), rate(pair.reference, pair.seconds / 4)  # warm up
            results = [
                (rate(pair.ours, pair.seconds), rate(pair.reference, pair.seconds))
                for _ in range(pair.rounds)
            ]
        else:
            results = [subject.measure() for _ in range(subject.rounds)]
    finally:
        body.close()
    ratio = median(ours / reference for ours, reference in results)
    ours, reference = (median(side) for side in zip(*results, strict=True))
    goal = "none" if bench.goal is None else f"{bench.goal:g}"
    return (
        f"{bench.name}: {ratio:.3f} (ours {ours:,.4g} {bench.unit},"
        f" reference {reference:,.4g} {bench.unit}, goal {goal})"
    )
