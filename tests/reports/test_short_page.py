"""A rollout, and what is asked about it, on one page, for the UIs that people have open already."""

import io
import re
from base64 import b64decode
from dataclasses import replace

import pytest
from PIL import Image

from sluiceway.reports.question import Asking, question_form, question_page
from sluiceway.reports.short_page import short_page
from sluiceway.rights import NeededApproval, Why, WhyCode
from tests.reports import rollouts

STORIES = (
    (rollouts.rejected_in_contracts, "rejected", "it is over"),
    (rollouts.rolled_back, "rolled back", "it is over"),
)


@pytest.mark.parametrize(("story", "ended", "far"), STORIES)
def test_the_page_says_how_it_is_why_and_where_there_is_more(story, ended, far) -> None:  # type: ignore[no-untyped-def]
    system = rollouts.flights()
    events = story(system)
    page = short_page(system, events, report="/there/report.html")
    assert page.startswith(f"# {events[0].rollout_id}: {ended}\n")
    assert f"- {far}\n- report: `/there/report.html`" in page
    assert "## Plan" in page


def test_every_part_of_a_story_has_a_page() -> None:
    system = rollouts.flights()
    events = rollouts.rolled_back(system)
    said = [short_page(system, events[:n], report="r") for n in range(1, len(events) + 1)]
    assert "it is being planned" in said[0]
    assert any("step 1 of " in one for one in said)


def pictures(page: str) -> list[str]:
    """What each picture shows; every one is a PNG file in the text, wide enough to be read."""
    found = re.findall(r"!\[([^]]+)\]\(data:image/png;base64,([^)]+)\)", page)
    for _, data in found:
        with Image.open(io.BytesIO(b64decode(data))) as picture:
            assert picture.format == "PNG"
            assert picture.width > 1_500
    assert page.count("![") == len(found)
    assert len(page) < 400_000, "each version of a page is kept"
    return [shows for shows, _ in found]


def test_the_page_shows_intervals_and_evidence_and_links_the_report() -> None:
    system = rollouts.flights()
    page = short_page(system, rollouts.rolled_back(system), report="r", address="http://there/r")
    assert [one.partition(" ")[0] for one in pictures(page)] == [
        "Harm",
        "Harm",
        "Harm",
        "Dependency",
    ]
    assert "- [the whole report](http://there/r)" in page
    assert "| ✗ | canary |" in page
    assert page.count("Why these margins") == 1


def test_a_page_in_canary_says_how_much_evidence_is_there() -> None:
    system = rollouts.flights()
    events = rollouts.rolled_back(system)
    kinds = [event.kind for event in events]
    page = short_page(system, events[: kinds.index("looked") + 1], report="r")
    assert "| ▶ | **canary** |" in page


NEED = NeededApproval(name="risk", by=("risk",), people=1, why=(Why(code=WhyCode.LISTED),))


def asked(people: tuple[str, ...], own: bool, need: NeededApproval = NEED, by: str = "ada") -> str:
    """A form about a rollout that somebody asked for."""
    system = rollouts.flights()
    owner = next(iter(system.owners.values()))
    system = replace(
        system,
        owners={**system.owners, "risk": replace(owner, name="risk", people=people)},
        policies=replace(system.policies, rights=replace(system.policies.rights, own=own)),
    )
    events = [replace(event, actor=by) for event in rollouts.rolled_back(system)]
    asking = Asking(need=need, expires=None, proof=True, fault="the code is | old")
    form = question_form(system, events, asking, page="../there")
    page = question_page(system, events, asking, rollout_page="../key/rollout")
    assert pictures(page)
    assert "](../key/rollout)" in page
    assert form.startswith("**The last answer did not count:** the code is \\| old.")
    assert "![" not in form, "a form is too narrow for a picture"
    assert "[Plan, evidence and pictures](../there)" in form
    return form


def test_a_form_names_who_may_answer_and_not_whose_own_it_is() -> None:
    code = ", with a one-time code of their app"
    assert f"- May approve: risk (ada, ben){code}." in asked(("ada", "ben"), own=True)
    form = asked(("ada", "ben"), own=False)
    assert f"- May approve: risk (ben){code}; not ada, whose own it is." in form
    alone = asked(("ada",), own=False)
    assert f"risk (nobody is left){code}; not ada" in alone
    assert "it cannot be approved" in alone
    assert "it cannot be approved" not in form
    assert "not ADA, whose own it is" in asked(("ADA", "ben"), own=False)
    assert "risk (anybody)" in asked((), own=False)
    assert "2 different people of **risk** are asked" in asked(
        ("ada", "ben"), own=True, need=replace(NEED, people=2)
    )


def test_a_form_says_when_nobody_knows_whose_own_it_is() -> None:
    assert "Nobody knows who registered it" in asked(("ada",), own=False, by="sluiceway")
    assert "Nobody knows" not in asked(("ada",), own=True, by="sluiceway")
