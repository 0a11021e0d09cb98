"""Codes from many sources: imports' rejects, free codes by import, birthdays."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002_codes"
down_revision = "0002_delivery"
branch_labels = None
depends_on = None


def _json() -> sa.types.TypeEngine[Any]:
    return sa.JSON(none_as_null=True).with_variant(
        postgresql.JSONB(none_as_null=True), "postgresql"
    )


def upgrade() -> None:
    op.create_table(
        "import_reject",
        sa.Column("import_job_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(
            ["import_job_id"],
            ["import_job.id"],
            name=op.f("fk_import_reject_import_job_id"),
        ),
        sa.PrimaryKeyConstraint("import_job_id", "line", name=op.f("pk_import_reject")),
    )
    with op.batch_alter_table("campaign", schema=None) as batch_op:
        batch_op.add_column(sa.Column("birthday", _json(), nullable=True))
        batch_op.add_column(sa.Column("birthdays_through", sa.Date(), nullable=True))
    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.add_column(sa.Column("birth_day", sa.SmallInteger(), nullable=True))
        batch_op.create_index(batch_op.f("ix_recipient_birth_day"), ["birth_day"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        day = "CAST(strftime('%m%d', birth_date) AS INTEGER)"
    else:
        day = "CAST(to_char(birth_date, 'MMDD') AS SMALLINT)"
    op.execute(f"UPDATE recipient SET birth_day = {day} WHERE birth_date IS NOT NULL")  # noqa: S608
    _free_codes_by("import_job_id")


def downgrade() -> None:
    _free_codes_by("campaign_id")
    with op.batch_alter_table("recipient", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_recipient_birth_day"))
        batch_op.drop_column("birth_day")
    with op.batch_alter_table("campaign", schema=None) as batch_op:
        batch_op.drop_column("birthdays_through")
        batch_op.drop_column("birthday")
    op.drop_table("import_reject")


def _free_codes_by(column: str) -> None:
    where = sa.text("free")
    op.drop_index("ix_code_free", table_name="code")
    op.create_index(
        "ix_code_free",
        "code",
        [column, "id"],
        unique=False,
        sqlite_where=where,
        postgresql_where=where,
    )
