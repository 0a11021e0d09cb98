"""An import says its kind in a column, and from when on a worker may take it up.

The release before writes neither: both may be null. It read the kind from the name of the file and
from the options, which go on being written.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_import_kinds"
down_revision = "0019_stops"
branch_labels = None
depends_on = None

_UNFINISHED = sa.text("finished_at IS NULL")


def upgrade() -> None:
    op.add_column("import_job", sa.Column("kind", sa.String(), nullable=True))
    op.add_column("import_job", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    # Only a move says where codes that it gives back are at home, and only a generation is named
    # so and says how many codes it makes.
    op.execute(
        "UPDATE import_job SET kind = CASE"
        " WHEN options ->> 'home' IS NOT NULL THEN 'campaign'"
        " WHEN filename = '(generated)' AND options ->> 'count' IS NOT NULL THEN 'pattern'"
        " ELSE 'file' END"
    )
    op.create_index(
        "ix_import_job_unfinished",
        "import_job",
        ["created_at"],
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    )


def downgrade() -> None:
    op.drop_index("ix_import_job_unfinished", table_name="import_job")
    op.drop_column("import_job", "due_at")
    op.drop_column("import_job", "kind")
