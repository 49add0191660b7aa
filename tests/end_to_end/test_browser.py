"""People answer in the Prefect UI, in a real browser, about versions registered in a real MLflow.

Everything that `sluiceway up` starts runs; only time is made to pass: days of live orders are
answered, and canaries are looked at, as of days to come. Every screenshot is kept in
`test-output/browser/`, to be looked at.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import pyotp
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import FlowRun
from prefect.flow_runs import resume_flow_run

from flows.evaluate_canaries import evaluate_canaries
from sluiceway.rights import ProofFault
from sluiceway.rollouts.endings import Ending, ReasonCode
from sluiceway.rollouts.events import ApproverEnrolled, happening
from sluiceway.steps import proving
from tests.adapters.mlflow_worlds import QUIET
from tests.driver import QUICK, variant
from tests.end_to_end.browser import Browser, BrowserMissing
from tests.end_to_end.prefect_server import flows_through
from tests.end_to_end.shop import LIVE, Shop
from tests.end_to_end.test_deployed import Deployed, ran, up, waited_for

pytestmark = [pytest.mark.filterwarnings(line) for line in QUIET]

SCREENSHOTS = Path(__file__).parents[2] / "test-output" / "browser"
PEOPLE = (
    ("{contact: risk@shop.example}", "{contact: risk@shop.example, people: [ada, ben]}"),
    ("{contact: desk@shop.example}", "{contact: desk@shop.example, people: [ben, cy]}"),
)


EXPIRES = timedelta(days=7)
ASKED = f"approvals: {{always: [risk, desk], expires: {EXPIRES.days}d}}"
POLICIES = (
    *PEOPLE,
    *QUICK,
    ("approvals: []", f"{ASKED}\n  registrations: {{release_window: 5s}}"),
)
"""Two owners are asked, and who answers proves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """A deployed shop that asks its people, who have their apps, and a browser."""

    deployed: Deployed
    browser: Browser
    keys: dict[str, str]

    @property
    def prefect(self) -> str:
        return str(self.deployed.services["prefect"]["url"])

    def code(self, who: str, later: int = 0) -> str:
        at = datetime.now(UTC) + timedelta(seconds=30 * later)
        return pyotp.TOTP(self.keys[who]).at(at)

    def register(self, release: str) -> str:
        """Register what is good together, and give the rollout that begins by itself."""
        tags = {"release_name": release, "registered_by": "ada"}
        return self.deployed.rollout_of(
            self.deployed.register("fraud@2", **tags), self.deployed.register("cost@2", **tags)
        )

    def form(self, rollout: str, question: str, *, beside: FlowRun | None = None) -> FlowRun:
        """A question's only flow run, once it is suspended, and in another state than before."""
        before: UUID | None = beside.state.id if beside and beside.state else None

        def suspended() -> FlowRun | None:
            found = self.deployed.runs(f"approval:production:{rollout}:{question}")
            assert len(found) <= 1, "nobody is asked the same twice"
            here = (run for run in found if run.state and run.state.name == "Suspended")
            return next((run for run in here if run.state and run.state.id != before), None)

        return waited_for(suspended, f"the form of {question}")

    def page_of(self, run: FlowRun) -> str:
        return f"{self.prefect}/v2/runs/flow-run/{run.id}"

    def artifact(self, key: str) -> str:
        """Path of the newest version of a page."""
        wanted = ArtifactFilter(key=ArtifactFilterKey(any_=[key]))
        with flows_through(self.deployed.server), get_client(sync_client=True) as client:
            found = waited_for(lambda: client.read_artifacts(artifact_filter=wanted), key)
        newest = max(found, key=lambda one: one.created or datetime.min.replace(tzinfo=UTC))
        return f"artifacts/artifact/{newest.id}"

    def faults(self) -> list[ProofFault | None]:
        with self.deployed.shop.site() as site:
            return [one.fault for one in proving.tries(site)]

    def look_as_of(self, now: datetime) -> None:
        with flows_through(self.deployed.server):
            evaluate_canaries(as_of=now)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; where there is none, its tests are skipped, but never in CI."""
    shutil.rmtree(SCREENSHOTS, ignore_errors=True)
    try:
        started = Browser(SCREENSHOTS)
    except BrowserMissing as missing:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"in CI this must be tested: {missing}")
        pytest.skip(str(missing))
    print(f"screenshots: {SCREENSHOTS}")
    try:
        yield started
    finally:
        started.close()


@pytest.fixture(scope="module")
def people(
    browser: Browser, shop_registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("people")
    (folder / "system").mkdir()
    system = variant(folder / "system", *POLICIES)
    shop = Shop.opened(shop_registry, folder / "home", system)
    with pytest.MonkeyPatch.context() as patch, up(shop.environment) as services:
        at = {
            "PREFECT_API_URL": f"{services['prefect']['url']}/api",
            "SLUICEWAY_TRACKING_URI": str(services["mlflow"]["url"]),
            "NO_PROXY": "127.0.0.1",
        }
        environment = {**shop.environment, **at}
        for name, value in environment.items():
            if name != "PREFECT_API_URL":
                patch.setenv(name, value)
        everything = Deployed(shop=shop, system=system, environment=environment, services=services)
        adopted = ran("adopt", *LIVE, "--deployed", environment=environment)
        assert adopted.returncode == 0, adopted.stdout + adopted.stderr
        keys = {who: _enrolled(who, everything) for who in ("ada", "ben", "cy")}
        yield People(deployed=everything, browser=browser, keys=keys)


def _enrolled(who: str, deployed: Deployed) -> str:
    """The key that somebody's app reads from the QR code."""
    told = ran("approvers", "add", who, "--json", environment=deployed.environment)
    assert told.returncode == 0, told.stdout + told.stderr
    return parse_qs(urlsplit(json.loads(told.stdout)["uri"]).query)["secret"][0]


def test_one_is_rejected_after_a_wrong_code_and_while_a_worker_dies(people: People) -> None:
    with people.deployed.shop.site() as site:
        events = site.journal.events(site.environment, proving.STREAM)
    enrolled = [happening(event) for event in events]
    assert [one.approver for one in enrolled if isinstance(one, ApproverEnrolled)] == [*people.keys]

    rollout = people.register("spring")
    asked = people.form(rollout, "risk")
    assert asked.name == f"approve {rollout} for risk"
    with flows_through(people.deployed.server):
        for empty in ({}, {"decision": None}, {"decision": "maybe", "approver": "ben"}):
            with pytest.raises(RuntimeError, match="Cannot resume this run"):
                resume_flow_run(asked.id, run_input=empty)
    assert people.browser.send_empty(people.page_of(asked), "nothing-filled-in") == "REJECT"
    assert people.form(rollout, "risk").state == asked.state, "an empty answer is none"

    fields = {"Decision": "approve", "Approver": "ben", "One Time Code": "000000"}
    said = people.browser.answer(people.page_of(asked), "wrong-code", **fields)
    assert "May approve: risk (ben), with a one-time code" in said
    assert "; not ada, whose own it is" in said
    again = people.form(rollout, "risk", beside=asked)
    assert people.faults() == [ProofFault.WRONG]

    people.deployed.kill("worker")  # while somebody thinks
    fields = {"Decision": "reject", "Approver": "ben", "One Time Code": people.code("ben", 1)}
    people.browser.answer_in_first_ui(
        f"{people.prefect}/runs/flow-run/{again.id}", "rejected", **fields, Reason="too soon"
    )
    ended = people.deployed.until(rollout, lambda state: state.ended is not None).ended
    assert ended is not None
    assert (ended.code, ended.reason) == (ReasonCode.APPROVAL_REFUSED, "too soon")
    assert people.faults() == [ProofFault.WRONG, None], "the first answer was not judged anew"


def test_a_registered_release_is_approved_by_people_and_promoted(people: People) -> None:
    rollout, shop = people.register("summer"), people.deployed.shop
    before = len(people.faults())
    risk, desk = people.form(rollout, "risk"), people.form(rollout, "desk")
    page = people.artifact(f"approval-{rollout}-risk")
    for ui in ("", "v2/"):
        seen = people.browser.pictures_of(f"{people.prefect}/{ui}{page}", "go live?", 2)
        assert [name.split()[0] for name in seen] == ["Harm", "Dependency"]
    said = people.browser.read(
        f"{people.prefect}/v2/{page}", "Why these margins", "question-page", height=2600
    )
    assert "fraud: Brier score" in said

    code = people.code("ben", 1)  # of the next half minute: it is still good when it is used again
    good = {"Decision": "approve", "Approver": "ben", "One Time Code": code, "Reason": "it fits"}
    people.browser.answer(people.page_of(risk), "approved", **good)
    waited_for(lambda: people.faults()[before:] == [None], "what became of ben's code")
    people.browser.answer(people.page_of(desk), "reused-code", **good)
    again = people.form(rollout, "desk", beside=desk)
    last = {"Decision": "approve", "Approver": "cy", "One Time Code": people.code("cy")}
    said = people.browser.answer(people.page_of(again), "approved-too", **last, Reason="it fits")
    assert "The last answer did not count: the code of ben was used already" in said
    people.deployed.until(rollout, lambda state: state.step == 0 and not state.unconfirmed)
    assert people.faults()[before:] == [None, ProofFault.REUSED, None]
    assert [one.actor for one in shop.state(rollout).given] == ["ben", "cy"]

    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for look in range(5):  # so many are enough for the gates, and then for the watch
        for _ in range(3):
            day = shop.answers(day)
        people.look_as_of(day)
        if look == 0:
            _the_page_of_a_canary(people, rollout)
    state = shop.state(rollout)
    assert state.ended is not None
    assert state.ended.ending is Ending.PROMOTED
    generation, serves = shop.champion()
    promoted = dict(name.split("@") for name in state.requested.members)  # type: ignore[union-attr]
    assert (generation, serves) == (2, {**dict(name.split("@") for name in LIVE), **promoted})
    people.browser.read(
        f"{people.prefect}/v2/{people.artifact(f'rollout-{rollout}')}",
        "promoted",
        "rollout-page-promoted",
        height=3600,
    )
    _the_same_in_mlflow(people, rollout, promoted)


def _the_page_of_a_canary(people: People, rollout: str) -> None:
    page = people.artifact(f"rollout-{rollout}")
    address = f"{people.prefect}/v2/{page}"
    said = people.browser.read(address, "in canary", "rollout-page", height=3600)
    assert re.search(r"step [12] of 2, \d+ % of the units", said)
    seen = people.browser.pictures_of(address, "in canary", 4)
    assert [name.split(" ")[0] for name in seen] == ["Harm", "Harm", "Harm", "Dependency"]


def _the_same_in_mlflow(people: People, rollout: str, promoted: dict[str, str]) -> None:
    server, client = people.deployed.services["mlflow"]["url"], people.deployed.mlflow
    version = promoted["fraud"]
    said = people.browser.read(
        f"{server}/#/models/fraud/versions/{version}", "sluiceway.artifact_sha256", "mlflow-version"
    )
    assert "champion" in said
    models = people.browser.read(f"{server}/#/models/fraud", "@ previous", "mlflow-model")
    assert "@ champion" in " ".join(models.split())  # the icon stands in an element of its own
    experiment = client.get_experiment_by_name("sluiceway/orders")
    assert experiment is not None
    found = client.search_runs(
        [experiment.experiment_id], f"tags.`sluiceway.rollout` = '{rollout}'"
    )
    (run,) = found
    address = f"{server}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}"
    said = people.browser.read(address, "shadow.fraud.brier.margin", "mlflow-run", height=2200)
    assert "sluiceway.ending" in said
    assert f"Rollout {rollout} of cost {promoted['cost']}, fraud {version}; its report" in said
    people.browser.read(f"{address}/artifacts/report.html", "report.html", "mlflow-report")


def test_what_nobody_answers_is_rejected(people: People) -> None:
    rollout = people.register("autumn")
    asked = people.form(rollout, "risk")
    people.browser.read(people.page_of(asked), "Suspended", "nobody-answers")

    for days in (EXPIRES - timedelta(hours=1), EXPIRES + timedelta(hours=1)):
        assert people.deployed.shop.state(rollout).ended is None
        people.look_as_of(datetime.now(UTC) + days)
    ended = people.deployed.shop.state(rollout).ended
    assert ended is not None
    assert ended.code is ReasonCode.APPROVAL_EXPIRED
    assert ended.reason.startswith("nobody answered for risk, desk by ")

    def closed() -> str | None:
        (run,) = people.deployed.runs(f"approval:production:{rollout}:risk")
        return run.state_name if run.state and run.state.is_final() else None

    assert waited_for(closed, "the form, closed") == "Cancelled"
