"""What a gateway says of itself survives being written down."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from sluiceway.serving.heartbeat import Heartbeat

SAID = Heartbeat(
    instance="front-1",
    pid=4711,
    host="front",
    at=datetime(2026, 11, 28, 12, 0, 1, 250_000, tzinfo=UTC),
    revision=12,
    generation=3,
    alarm="routing.json is not a routing table",
    started=datetime(2026, 11, 28, 11, tzinfo=UTC),
    halted={"r-7": "fraud@2 was ended by SIGSEGV"},
)


def test_what_is_written_is_read_back() -> None:
    assert Heartbeat.from_json(SAID.to_json()) == SAID


def test_a_part_of_a_heartbeat_is_none() -> None:
    with pytest.raises(ValidationError):
        Heartbeat.from_json(SAID.to_json()[:40])
