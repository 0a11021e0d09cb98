"""What goes wrong with a backup."""

from __future__ import annotations

from app.faults import Fault


class BackupFault(Fault):
    """A backup cannot be made or restored; says the remedy."""
