"""What a soak saw."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """Counts of one run; `wrong` names every pass that is not as the database says."""

    phones: int = 0
    passes: int = 0
    androids: int = 0
    saved: int = 0
    edits: int = 0
    redemptions: int = 0
    moves: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    #: Devices and Google objects that a change concerned, summed over all changes.
    told_devices: int = 0
    told_objects: int = 0
    pushes: int = 0
    fetches: int = 0
    #: Passes that were fetched anew and showed what the phone had already.
    unchanged: int = 0
    #: Calls that Google carried out and that wrote something.
    writes: int = 0
    rings: int = 0
    silent: int = 0
    installing: float = 0.0
    storm: float = 0.0
    settling: float = 0.0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)
    owed: int = 0

    def lines(self) -> str:
        moves = ", ".join(f"{count} {name}" for name, count in sorted(self.moves.items()))
        return (
            f"{self.phones} iPhones and watches with {self.passes} passes,"
            f" {self.androids} Android phones with {self.saved};"
            f" {self.edits} edits, {self.redemptions} redemptions, {moves},"
            f" {self.kills} workers killed\n  "
            f"Apple: {self.pushes} pushes for {self.told_devices} device-changes"
            f" (ratio {self.pushes / max(1, self.told_devices):.2f}), {self.fetches} fetches,"
            f" {self.unchanged} of what a phone had already;"
            f" Google: {self.writes} writes for {self.told_objects} object-changes"
            f" (ratio {self.writes / max(1, self.told_objects):.2f}),"
            f" {self.rings} messages rang, {self.silent} were silent\n  "
            f"{self.seconds:.0f} s (installing {self.installing:.0f}, storm {self.storm:.0f},"
            f" settling {self.settling:.0f}); wrong: {len(self.wrong)}, owed: {self.owed}"
        )
