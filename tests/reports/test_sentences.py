"""Every kind of event has one sentence."""

from datetime import UTC, date, datetime

import pytest

from sluiceway.contracts.values import Deprecation
from sluiceway.notices import Attempt, CameTo
from sluiceway.outcomes import Outcome
from sluiceway.planning import Fit
from sluiceway.registrations import Registration
from sluiceway.reports import sentence
from sluiceway.reports.sentences import e_value
from sluiceway.rights import Acknowledgement, Announcement, ProofFault, ReplacementTest, Tried
from sluiceway.rollouts.endings import Ending, Phase, ReasonCode
from sluiceway.rollouts.events import (
    AbortRequested,
    Acknowledged,
    Adopted,
    AliasesMoved,
    ApprovalRefused,
    ApprovalRequested,
    Approved,
    ApproverEnrolled,
    ApproverRemoved,
    CanaryNarrowed,
    CandidateHalted,
    ChampionRestored,
    CodeTried,
    Confirmed,
    ContractTested,
    DeadlineLengthened,
    DeprecationAnnounced,
    Diagnosed,
    EdgesIsolated,
    EdgesRestored,
    Ended,
    FlagsDeclared,
    FlagSet,
    FlagUnset,
    Happening,
    Held,
    IncidentOpened,
    Notified,
    PartReplayed,
    PartServed,
    Promoted,
    ReaderTested,
    RegistrationHeard,
    ReplacementTested,
    Requested,
    Resumed,
    RollbackDecided,
    RoutingMoved,
    StepEntered,
    TrafficStopped,
    VersionDeleted,
    Waited,
    WayBackPlanned,
    happening,
)
from sluiceway.system.notifications import Tier
from tests.reports import rollouts
from tests.rollouts.happenings import DAY, audited, drifted, member, plan, powered

NOW = datetime(2013, 9, 1, tzinfo=UTC)
GONE = Deprecation(
    field="old",
    since=date(2026, 1, 1),
    remove_after=date(2026, 3, 1),
    use_instead="new",
    because="nobody can measure it",
)
SIMPLE: list[tuple[Happening, str]] = [
    (
        Requested(members=("a@2", "b@3"), reserves=("a", "b"), system_digest="d"),
        "a@2 and b@3 asked for; reserved: a, b",
    ),
    (Waited(behind="r1"), "Waits behind r1, which touches the same nodes"),
    (
        powered(Fit.IN_TIME),
        "Canary planned, it fits its deadline: a harmless candidate passes all required gates "
        "within 15 blocks (75 units) with probability 0.80, and by the deadline of 20d (18 blocks) "
        "with 0.90",
    ),
    (
        DeadlineLengthened(before=20 * DAY, after=27 * DAY, reason="needs 25 blocks"),
        "The canary's deadline was moved from 20d to 27d after its first step",
    ),
    (ApprovalRequested(owners=("risk", "desk")), "Asked risk and desk for approval"),
    (Approved(reason="fits\nwell"), "Approved: fits well"),
    (ApprovalRefused(reason="too late"), "Approval was refused: too late"),
    (
        StepEntered(step=1, weight=25),
        "Canary step 2: the candidate is to answer 25 % of the units",
    ),
    (TrafficStopped(reason="no labels"), "The candidate lost its traffic: no labels"),
    (Held(reason="holiday"), "Held: holiday"),
    (Resumed(reason=""), "Resumed"),
    (
        audited(Outcome.INCONCLUSIVE),
        "Features audited, inconclusive: 1 feature reading, 0 of them by value; distance: eta@2 "
        "does not say which definition it was trained with; stamp it",
    ),
    (
        drifted("2026-03-12"),
        "Shadow evidence stale: drift in wind KS D 0.500 > 0.250, over 10 days up to 2026-03-12 "
        "against 20 of shadow's",
    ),
    (AbortRequested(reason="wrong file"), "A stop was asked for: wrong file"),
    (
        Promoted(release="a" * 64, previous_release="b" * 64),
        "Promoted: release aaaaaaaaaaaa replaced bbbbbbbbbbbb, all at once",
    ),
    (
        RollbackDecided(code=ReasonCode.HARM_IN_CANARY, reason="mae: harm"),
        "Rollback was decided: mae: harm",
    ),
    (
        ChampionRestored(release="a" * 64),
        "The champion was put back: release aaaaaaaaaaaa serves again",
    ),
    (Diagnosed(attribution=None, fault="no rows"), "Diagnosis could not be made: no rows"),
    (
        WayBackPlanned(back=("a",), stays=(), release=None, reason="the whole release goes back"),
        "The way back: the whole release goes back",
    ),
    (
        PartServed(release="c" * 64),
        "Release cccccccccccc serves: what may stay, without what is bad",
    ),
    (IncidentOpened(title="it broke", owners=("a",)), "Incident opened for a: it broke"),
    (
        Confirmed(seq=4, revision=7),
        "Serving and registry were observed to be as event 4 wants (routing revision 7)",
    ),
    (
        Ended(
            ending=Ending.ROLLED_BACK,
            phase=Phase.CANARY,
            code=ReasonCode.HARM_IN_CANARY,
            reason="harm",
        ),
        "Ended rolled back in canary: harm",
    ),
    (
        Adopted(release="a" * 64),
        "Release aaaaaaaaaaaa, which served already, was made the champion",
    ),
    (
        DeprecationAnnounced(
            announcement=Announcement(
                model="a",
                deprecation=GONE,
                owner="desk",
                contact="desk@shop.example",
                edges=("a.old → b",),
            )
        ),
        "Told desk (desk@shop.example): a.old is deprecated since 2026-01-01 and may be removed "
        "from 2026-03-01 on; use new instead. Why: nobody can measure it. You read it in a.old → "
        'b; acknowledge it with: sluiceway acknowledge "a.old -> b" --as desk',
    ),
    (
        Acknowledged(
            acknowledgement=Acknowledgement(
                edge="a.old → b", owner="desk", on=GONE.since, deprecation=GONE
            )
        ),
        "desk acknowledged that old goes from 2026-03-01 on, for a.old → b",
    ),
    (
        ReplacementTested(
            test=ReplacementTest(
                edge="a.old → b",
                replacement="new",
                consumer="b@2",
                outcome=Outcome.PASSED,
                on=GONE.since,
                ran="all range ends",
            )
        ),
        "Tested new in the place of what a.old → b reads: passed: all range ends",
    ),
    (
        ContractTested(
            model="up",
            members=(member("up", "2"), member("down", "1")),
            outcome=Outcome.PASSED,
            as_fed=False,
            broken="",
            readers=(ReaderTested(model="down", outcome=Outcome.FAILED, broken="x = 1: no"),),
            rows=1200,
        ),
        "Contract test on 1,200 recorded rows: up@2 passed; down@1 on all that it promises "
        "failed: x = 1: no",
    ),
    (
        CodeTried(
            tried=Tried(
                approver="ada",
                rollout_id="r0001-a2",
                answer="one",
                at=NOW,
                step=None,
                fault=ProofFault.REUSED,
            )
        ),
        "A one-time code was given: the code of ada was used already; wait for the next one",
    ),
    (
        ApproverEnrolled(approver="ada", kept_in="approvers.json", replaced=False),
        "ada was given a key, kept in approvers.json",
    ),
    (
        ApproverEnrolled(approver="ada", kept_in="approvers.json", replaced=True),
        "ada was given a new key, and the codes of the old one end, kept in approvers.json",
    ),
    (
        ApproverRemoved(approver="ada", kept_in="approvers.json"),
        "The key of ada was taken away from approvers.json",
    ),
    (
        Notified(
            attempt=Attempt(
                keys=("drift:r0001-a2",),
                channel="chat",
                tier=Tier.NOTIFY,
                came_to=CameTo.FAILED,
                title="r0001-a2 is held",
                fault="it is away",
            )
        ),
        "Notice failed: notify by chat: it is away: r0001-a2 is held",
    ),
    (
        RegistrationHeard(registration=Registration(delivery_id="one", model="fraud", version="2")),
        "fraud@2 was registered",
    ),
    (
        AliasesMoved(
            model="fraud", wanted={"champion": "1"}, seen={"champion": "2"}, accepted=False
        ),
        "Aliases of fraud were moved by hand to champion = 2; the journal wants champion = 1; "
        "they go back",
    ),
    (
        VersionDeleted(model="fraud", version="1", aliases=("champion", "previous")),
        "fraud@1 (champion and previous) was deleted in the registry; what gateways have of it "
        "goes on",
    ),
    (
        RoutingMoved(what="routing is none, wanted is revision 7"),
        "What gateways read was changed by hand, and goes back: routing is none, wanted is "
        "revision 7",
    ),
    (
        CandidateHalted(
            code=ReasonCode.BREAKER_OPEN,
            reason="breaker open: b@2 gave no usable answer to 18 of its last 20 rows",
            model="b",
            version="2",
            broken=18,
            rows=20,
            instance="gw-1",
            revision=7,
        ),
        "gw-1 halted the candidate: breaker open: b@2 gave no usable answer to 18 of its last 20 "
        "rows",
    ),
    (
        CanaryNarrowed(
            plan=plan(), back=(member("down", "2"),), weight=10, reason="down goes back; up stays"
        ),
        "up@2 goes on without down@2, on fresh evidence, at 10 % of the units: down goes back; up "
        "stays",
    ),
    (
        PartReplayed(
            stays=(member("up", "2"),),
            outcome=Outcome.ERROR,
            verdicts=(),
            rows=0,
            fault="up@2 raised",
            seconds=0.1,
        ),
        "Replay of up@2 alone: error: up@2 raised",
    ),
    (EdgesIsolated(edges=("a.x → b",), reason="stuck"), "Isolated a.x → b: stuck"),
    (EdgesRestored(edges=("a.x → b",), reason=""), "Restored a.x → b"),
    (FlagsDeclared(flags=(), system_digest="d" * 64), "Flags of the system file: none"),
    (
        FlagSet(flag="cheap", variant="simple", reason="slow"),
        "Everybody takes simple of cheap: slow",
    ),
    (FlagUnset(flag="cheap", reason=""), "The rules of cheap hold again"),
]


@pytest.mark.parametrize(("what", "said"), SIMPLE, ids=lambda one: type(one).__name__)
def test_an_event_reads_as_one_sentence(what: Happening, said: str) -> None:
    assert sentence(what) == said


def test_every_kind_of_event_has_a_sentence_of_its_own() -> None:
    system = rollouts.flights()
    told: list[Happening] = [what for what, _ in SIMPLE]
    for make in (rollouts.rejected_in_contracts, rollouts.rolled_back):
        told += [happening(event) for event in make(system)]
    kinds = {type(one) for one in told}
    assert kinds == set(Happening.__args__)
    for one in told:
        said = sentence(one)
        assert said
        assert "\n" not in said


def test_an_e_value_is_readable_at_any_size() -> None:
    assert e_value(0.0) == "1"
    assert e_value(3.0) == "20.1"
    assert e_value(2000.0) == "10^868.6"
    assert e_value(-2000.0) == "10^-868.6"
