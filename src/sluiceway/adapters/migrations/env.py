"""Runs the migrations on the connection that the journal opened."""

from alembic import context

from sluiceway.adapters.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,
)
context.run_migrations()
