"""Run by Alembic: migrates on the connection it was given, inside the caller's transaction."""

from alembic import context

from mape_k.knowledge.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
