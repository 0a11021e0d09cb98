"""Run every benchmark, or the ones named, and print one line each."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.benchmarks import REGISTRY, run


def main(names: list[str]) -> int:
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        importlib.import_module(f"tests.benchmarks.{path.stem}")
    unknown = [name for name in names if name not in REGISTRY]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}. There are: {', '.join(REGISTRY)}.", file=sys.stderr)
        return 2
    for name in names or REGISTRY:
        print(run(REGISTRY[name]), flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
