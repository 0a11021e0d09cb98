"""Operators' days begin anew: entries state from now on which day they count on.

Earlier entries do not, so that nothing could prove the counters that they made. A cap guards one
day, which begins at nothing once more on the day of the update.
"""

from __future__ import annotations

from alembic import op

revision = "0010_operators"
down_revision = "0009_results"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DELETE FROM operator_day")


def downgrade() -> None:
    """What was counted stays counted."""
