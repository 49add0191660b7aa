"""What docs/serving.md says of codes, limits and metrics is so."""

import re
from pathlib import Path

from sluiceway.gateway.http.access import SHORTEST, Role
from sluiceway.gateway.http.limits import Limits
from sluiceway.gateway.http.refusing import STATUS
from sluiceway.gateway.metrics import Metrics
from sluiceway.serving.protocols.asking import CLOCK_ERROR, LONGEST_UNIT
from sluiceway.serving.protocols.json_text import MAX_DEPTH
from sluiceway.serving.protocols.tables import MAX_COLUMNS
from sluiceway.serving.refusals import RefusalCode

TEXT = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_every_code_has_its_status() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \|", TEXT, re.MULTILINE))
    assert rows == {code.value: str(int(STATUS[code])) for code in RefusalCode}


def test_every_metric_is_described_with_its_labels() -> None:
    rows = re.findall(r"^\| `(sluiceway_\w+)` \| ([a-z, ]*) ?\|", TEXT, re.MULTILINE)
    described = {
        name.removesuffix("_total"): tuple(filter(None, labels.strip().split(", ")))
        for name, labels in rows
    }
    known = {
        collector._name: tuple(collector._labelnames)
        for collector in Metrics().registry._collector_to_names
    }
    assert described == known


def test_the_limits_are_those_in_force() -> None:
    limits = Limits()
    said = " ".join(TEXT.split())
    for words in (
        f"A body of {limits.body_bytes >> 20} MiB",
        f"{limits.rows:,} rows, {MAX_COLUMNS:,} columns",
        f"{MAX_DEPTH} levels",
        f"{limits.header_bytes >> 10} KiB of headers",
        f"{limits.header_seconds:g} seconds for headers and {limits.body_seconds:g}",
        f"{limits.concurrent:,} requests at one time and {limits.connections:,} connections",
        f"up to {limits.drained_bytes >> 20} MiB",
        f"at least {SHORTEST} characters",
        f"up to {LONGEST_UNIT} characters",
        f"at most {CLOCK_ERROR.seconds // 60} minutes ahead",
    ):
        assert words in said, words
    assert limits.rate is None
    for role in Role:
        assert f"| `{role}` |" in TEXT
