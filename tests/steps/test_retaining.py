"""What is kept long enough goes; what somebody may need at once stays."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluiceway.adapters.kept_models import YOUNGEST, drop_unnamed
from sluiceway.steps.retaining import named_artifacts
from tests.driver import TRAINED, add, advance
from tests.steps.worlds import NOW, ask, quick_site, same_fraud, to_canary

FLAG = (
    "policies:\n",
    "flags:\n  older:\n    owner: risk\n    description: The model of last winter.\n"
    "    variants: {declared: {}, before: {versions: {fraud: '1'}}}\n    default: declared\n"
    "policies:\n",
)


def test_generations_open_rollouts_and_flags_name_what_stays(tmp_path: Path) -> None:
    site = quick_site(tmp_path, FLAG)
    same_fraud(site)
    add(site, "fraud", "3", TRAINED)
    rejected = ask(site, "fraud@3")
    advance(site, rejected, NOW)
    assert site.state(rejected).ended is not None  # the consumers were fitted to another
    open_one = to_canary(site, "fraud@2")
    named = named_artifacts(site)
    serving = {one.artifact_sha256 for one in site.champion().release.members.values()}
    (candidate,) = site.plan(open_one).members
    (refused,) = site.plan(rejected).members
    assert named == serving | {candidate.artifact_sha256}
    assert refused.artifact_sha256 not in named


def test_files_that_nobody_names_go_once_they_are_old(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    old = (now - YOUNGEST - timedelta(hours=1)).timestamp()
    for name, is_old in (
        ("named", True), ("unnamed", True), ("just come", False), (".half.copy", True),
    ):  # fmt: skip
        (tmp_path / name / "model").mkdir(parents=True)
        if is_old:
            os.utime(tmp_path / name, (old, old))
    assert drop_unnamed(tmp_path, {"named"}, now=now) == (".half.copy", "unnamed")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["just come", "named"]
    assert drop_unnamed(tmp_path / "none", (), now=now) == ()
