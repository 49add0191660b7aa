"""The text of every contract that a release was verified against, by content hash."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make room for them; those of earlier releases are kept as soon as they are seen again."""
    op.create_table(
        "contracts",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("content", sa.Text, nullable=False),
    )
