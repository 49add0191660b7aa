"""What the demo tells people to type finds what the demo made, wherever that is."""

import shlex
from pathlib import Path

import pytest

from examples.flights import demo
from sluiceway.settings import HOME


@pytest.mark.parametrize(
    ("home", "options"),
    [(HOME, []), (Path("/srv/the demo"), ["--home", "/srv/the demo"])],
    ids=["default", "another"],
)
def test_every_command_names_the_home_where_it_is_not_the_default(
    capsys: pytest.CaptureFixture[str], home: Path, options: list[str]
) -> None:
    report = home / "production" / "rollouts" / "r0004-dep_delay4" / "report.html"
    episode = {
        "name": "live_regression", "outcome": "rolled_back", "ended_at": "canary",
        "origin": None, "generation_after": 2, "seconds": 1.0, "report": str(report),
    }  # fmt: skip
    summary = {"episodes": [episode], "seconds_total": 1.0}
    demo._say_end(summary, home / "demo" / "summary.json", home)
    typed = [
        shlex.split(line) for line in capsys.readouterr().out.splitlines() if "/sluiceway" in line
    ]
    commands = [words[1:] for words in typed if words[0].endswith("/sluiceway")]
    assert commands == [[*options, "status"], [*options, "explain", "r0004-dep_delay4"]]
