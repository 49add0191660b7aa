"""The journal's tables; ``migrations/`` brings a database to them."""

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, UniqueConstraint

METADATA = MetaData()

EVENTS = Table(
    "events",
    METADATA,
    Column("environment", String(200), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("rollout_id", String(200), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", String(40), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("kind", String(60), nullable=False),
    Column("payload", Text, nullable=False),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    UniqueConstraint("environment", "rollout_id", "seq", name="one_event_a_place"),
)

CHAINS = Table(
    "chains",
    METADATA,
    Column("environment", String(200), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("head", String(64), nullable=False),
)

RELEASES = Table(
    "releases",
    METADATA,
    Column("environment", String(200), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("hash", String(64), nullable=False),
    Column("content", Text, nullable=False),
    UniqueConstraint("environment", "hash", name="one_generation_a_release"),
)

CHAMPION = Table(
    "champion",
    METADATA,
    Column("environment", String(200), primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
)

CONTRACTS = Table(
    "contracts",
    METADATA,
    Column("hash", String(64), primary_key=True),
    Column("content", Text, nullable=False),
)
