"""What goes wrong with a backup."""

from __future__ import annotations


class BackupFault(Exception):
    """A backup cannot be made or restored; says the remedy."""
