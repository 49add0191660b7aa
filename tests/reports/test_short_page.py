"""A rollout on one page, for the UIs that people have open already."""

import pytest

from sluiceway.reports.short_page import short_page
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
