"""Methods that count units: the formulas are what they claim, and hold at every look."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import integrate, optimize, special, stats

from sluiceway.statistics.evalues import log_beta_mixture
from sluiceway.statistics.metrics import METRICS
from sluiceway.statistics.sequential import (
    BettingHarm,
    BlockEnteredTwiceError,
    BlockHarm,
    DiscordantPairs,
    Evidence,
    Method,
    SequentialHarm,
    SequentialState,
    Stratum,
    UnpairedEvents,
    method_for,
)
from sluiceway.statistics.sequential.events import log_moments
from sluiceway.statistics.sequential.priors import best_precision, grid, punished

STATE = TypeAdapter(SequentialState)
LEVEL = math.log(20)


def pairs_of(place, rows, better, worse, **more):
    harm = (worse - better) / rows if rows else None
    return BlockHarm(
        block=f"{place:04d}",
        harm=harm,
        baseline=0.1,
        candidate=0.1 + (harm or 0.0),
        rows=rows,
        better=better,
        worse=worse,
        **more,
    )


def events_of(place, *strata):
    known = [Stratum(**dict(zip(Stratum.__slots__, one, strict=True))) for one in strata]
    rows = sum(one.baseline_units + one.candidate_units for one in known)
    return BlockHarm(
        block=f"{place:04d}",
        harm=0.0,
        baseline=0.1,
        candidate=0.1,
        rows=rows,
        strata=tuple(known),
    )


def bets_of(place, differences):
    column = np.asarray(differences, dtype=float)
    harm = float(column.mean())
    return BlockHarm(
        block=f"{place:04d}",
        harm=harm,
        baseline=0.2,
        candidate=0.2 + harm,
        rows=column.size,
        differences=column,
    )


# ------------------------------------------------------------------ published values


def test_the_prior_is_tuned_as_confseq_tunes_it():
    assert best_precision(100, 0.05) == pytest.approx(12.60056, abs=1e-5)


@pytest.mark.parametrize(("one_sided", "bound"), [(False, 30.35209), (True, 27.66071)])
def test_that_tuning_gives_confseqs_normal_mixture_bound(one_sided, bound):
    rho = best_precision(100, 0.1 if one_sided else 0.05)

    def log_e(s):
        known = 0.5 * math.log(rho / (100 + rho)) + s * s / (2 * (100 + rho))
        sided = math.log(2) + stats.norm.logcdf(s / math.sqrt(100 + rho)) if one_sided else 0.0
        return known + sided

    assert optimize.brentq(lambda s: log_e(s) - LEVEL, 1, 100) == pytest.approx(bound, abs=1e-5)


def beta_binomial_log_e(s, v, g, h, rho, one_sided):
    """In confseq's terms: steps of -g or h, v the intrinsic time g h n."""
    r = rho - g * h
    a, b = r / (h * (g + h)), r / (g * (g + h))
    wins, losses = (v + h * s) / (h * (g + h)), (v - g * s) / (g * (g + h))
    null = g / (g + h)
    if one_sided:
        return log_beta_mixture(wins, losses, a, b, null)
    mixture = special.betaln(a + wins, b + losses) - special.betaln(a, b)
    return float(mixture - wins * math.log(null) - losses * math.log1p(-null))


@pytest.mark.parametrize(("one_sided", "bound"), [(False, 31.4308), (True, 28.41238)])
def test_the_beta_mixture_gives_confseqs_beta_binomial_bound(one_sided, bound):
    rho = best_precision(100, 0.1 if one_sided else 0.05)
    found = optimize.brentq(
        lambda s: beta_binomial_log_e(s, 100, 0.2, 0.8, rho, one_sided) - LEVEL, 1, 100
    )
    assert found == pytest.approx(bound, abs=1e-3)


@pytest.mark.parametrize(("wins", "losses"), [(0, 3), (7, 2), (40, 60), (60, 40), (0, 400)])
def test_the_beta_mixture_is_the_integral_over_chances_above_one_half(wins, losses):
    def over(low, wins, losses):
        value, _ = integrate.quad(
            lambda p: math.exp((wins + 4) * math.log(2 * p) + (losses + 4) * math.log(2 - 2 * p)),
            low,
            1,
            epsabs=0,
            epsrel=1e-11,
            limit=400,
        )
        return math.log(value)

    expected = over(0.5, wins, losses) - over(0.5, 0, 0)
    assert log_beta_mixture(wins, losses, 5, 5) == pytest.approx(expected, abs=1e-7)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0.5, 200))
def test_the_beta_mixture_is_finite_and_more_wins_are_more_evidence(wins, losses, a):
    value = log_beta_mixture(wins, losses, a, a)
    assert math.isfinite(value)
    assert log_beta_mixture(wins + 1, losses, a, a) > value - 1e-6


# ------------------------------------------------------------------ each is an e-value


@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.05])
def test_pairs_have_mean_one_at_the_margin_whatever_the_disagreement(margin):
    """All outcomes of six pairs, weighed by their probability at the margin, exactly."""
    chance = {1: 0.15 + max(margin, 0), -1: 0.15 - min(margin, 0)}
    chance[0] = 1 - sum(chance.values())
    for side, sign in (("log_e_harm", 1), ("log_e_safety", -1)):
        mean = 0.0
        for worse, better in itertools.product(range(7), repeat=2):
            if worse + better <= 6:
                state = DiscordantPairs().enter(pairs_of(0, 6, better, worse))
                p = stats.multinomial.pmf(
                    [worse, better, 6 - worse - better], 6, [chance[1], chance[-1], chance[0]]
                )
                mean += p * math.exp(getattr(state, side)(margin))
        assert mean == pytest.approx(1.0, abs=1e-9), sign


def test_the_grid_of_pairs_agrees_with_the_closed_form_at_margin_zero():
    closed = DiscordantPairs().enter(pairs_of(0, 5_000, 60, 100))
    assert closed.log_e_harm(1e-12) == pytest.approx(closed.log_e_harm(0.0), abs=0.1)


def test_bets_win_nothing_on_average_at_the_margin():
    """One pair that is -.4 or .6 with mean .1, then two: the mean over outcomes is 1 exactly."""
    outcomes = [(-0.4, 0.5), (0.6, 0.5)]
    for side in ("log_e_harm", "log_e_safety"):
        mean = sum(
            p * q * math.exp(getattr(begun().enter(bets_of(0, [d, e])), side)(0.1))
            for (d, p), (e, q) in itertools.product(outcomes, repeat=2)
        )
        assert mean == pytest.approx(1.0, abs=1e-12)


def begun(margin=0.1, reach=1.0):
    return BettingHarm(margin=margin, reach=reach)


def test_what_bets_would_have_won_is_never_more_than_they_won():
    rng = np.random.default_rng(3)
    state = begun()
    for place in range(40):
        state = state.enter(bets_of(place, rng.uniform(-0.5, 0.9, 25)))
        for side in ("log_e_harm", "log_e_safety"):
            near = getattr(state, side)(0.1 + 1e-12)
            assert near <= getattr(state, side)(0.1) + 1e-9


@given(st.floats(0.001, 0.94), st.floats(-1, 1))
def test_the_punished_bet_is_a_lower_bound(fraction, x):
    assert math.log1p(fraction * x) >= fraction * x - punished(np.array(fraction)) * x * x - 1e-12


@pytest.mark.parametrize(("events", "candidate", "units"), [(5, 3, 9), (30, 20, 200), (1, 1, 2)])
def test_moments_of_events_are_those_of_the_hypergeometric(events, candidate, units):
    tilt = np.array([-1.0, 0.1, 0.7])
    x = np.arange(events + 1)
    expected = [
        np.log(stats.hypergeom.pmf(x, units, events, candidate) @ np.exp(t * x)) for t in tilt
    ]
    assert log_moments(events, candidate, units, tilt) == pytest.approx(expected, abs=1e-9)


def test_many_events_use_the_binomial_which_is_never_smaller():
    """Hoeffding 1963, theorem 4, where both can be computed."""
    tilt = np.array([-2.0, -0.1, 0.1, 2.0])
    exact = log_moments(3_000, 4_000, 10_000, tilt)
    assert (3_000 * np.log1p(0.4 * np.expm1(tilt)) >= exact).all()
    assert np.isfinite(log_moments(6_000, 4_000, 10_000, tilt)).all()


def test_events_have_mean_one_under_equal_rates_and_less_where_the_candidate_is_better():
    for candidate_rate, wanted in ((0.3, 1.0), (0.2, None)):
        mean = 0.0
        for b, c in itertools.product(range(6), range(9)):
            state = UnpairedEvents().enter(events_of(0, (5, 8, b, c)))
            p = stats.binom.pmf(b, 5, 0.3) * stats.binom.pmf(c, 8, candidate_rate)
            mean += p * math.exp(state.log_e_harm(0.0))
        assert mean == pytest.approx(1.0, abs=1e-9) if wanted else mean < 1.0


def test_events_are_compared_inside_strata_only():
    """Simpson's ramp: the candidate's units are late and late units fail more; rates are equal."""
    state = UnpairedEvents(rate=0.1)
    for place, (base, share) in enumerate([(0.02, 0.05), (0.1, 0.25), (0.3, 0.5)] * 10):
        units = round(2_000 * (1 - share)), round(2_000 * share)
        state = state.enter(events_of(place, (*units, *(round(base * n) for n in units))))
    assert abs(state.mean) < 1e-3
    assert state.log_e_harm(0.0) < 0
    assert state.log_e_safety(0.0) < 0


# ------------------------------------------------------------------ wrong at most alpha


def crossing_rate(sims, blocks, begin, draw, side="log_e_harm", margin=0.0):
    crossed = 0
    for seed in range(sims):
        rng, state = np.random.default_rng(seed), begin()
        for place in range(blocks):
            state = state.enter(draw(place, rng))
            if getattr(state, side)(margin) >= LEVEL:
                crossed += 1
                break
    return crossed / sims, 3 * math.sqrt(0.05 * 0.95 / sims)


def draw_pairs(place, rng):
    worse, better, _ = rng.multinomial(40, [0.06, 0.04, 0.9])
    return pairs_of(place, 40, int(better), int(worse))


def draw_bets(place, rng):
    return bets_of(place, rng.choice([-0.2, 0.1, 0.5], 20, p=[0.5, 0.3, 0.2]))  # mean .03


def draw_events(place, rng):
    counts = rng.binomial([95, 5], 0.02 + 0.002 * place).tolist()
    return events_of(place, (95, 5, *counts))


@pytest.mark.parametrize("side", ["log_e_harm", "log_e_safety"])
@pytest.mark.parametrize(
    ("begin", "draw", "margin"),
    [
        (DiscordantPairs, draw_pairs, 0.02),
        (lambda: begun(0.03), draw_bets, 0.03),
        (UnpairedEvents, draw_events, 0.0),
    ],
    ids=["pairs", "bets", "events"],
)
def test_a_true_margin_is_excluded_at_most_alpha_over_all_looks(begin, draw, margin, side):
    share, error = crossing_rate(300, 40, begin, draw, side, margin)
    assert share <= 0.05 + error


@pytest.mark.parametrize(
    ("begin", "draw", "truth"),
    [
        (DiscordantPairs, draw_pairs, 0.02),
        (lambda: begun(0.03), draw_bets, 0.03),
        (UnpairedEvents, draw_events, 0.0),
    ],
    ids=["pairs", "bets", "events"],
)
def test_intervals_cover_over_all_looks_and_shrink(begin, draw, truth):
    missed, sims = 0, 100
    for seed in range(sims):
        rng, state, outside = np.random.default_rng(seed), begin(), False
        for place in range(30):
            state = state.enter(draw(place, rng))
            low, high = state.confidence_sequence(0.05)
            outside |= (low is not None and low > truth) or (high is not None and high < truth)
        missed += outside
        assert -1 < low < high < 1
    assert missed / sims <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / sims)


# ------------------------------------------------------------------ one shape, fail closed


def states():
    rng = np.random.default_rng(1)
    yield SequentialHarm().enter(pairs_of(1, 10, 1, 2))
    yield DiscordantPairs().enter(pairs_of(1, 10, 1, 2))
    yield begun().enter(bets_of(1, rng.uniform(-1, 1, 10)))
    yield UnpairedEvents().enter(events_of(1, (50, 50, 3, 5), (10, 90, 0, 1)))


@pytest.mark.parametrize("state", list(states()), ids=lambda state: state.method)
def test_every_state_survives_json_and_takes_a_block_once(state):
    assert STATE.validate_json(STATE.dump_json(state)) == state
    for again in ("0001", "0000"):
        with pytest.raises(BlockEnteredTwiceError, match=f"block {again}"):
            state.enter(BlockHarm(block=again, harm=None, baseline=None, candidate=None, rows=0))
    assert len(STATE.dump_json(state)) < 2_500


def test_a_state_stays_small_however_many_blocks_enter():
    state = SequentialHarm()
    for place in range(3_000):
        state = state.enter(pairs_of(place, 1_000, 10, 10))
    assert len(STATE.dump_json(state)) < 500


def test_evidence_journalled_before_there_were_methods_is_the_t_mixtures():
    written = {
        "n": 2,
        "mean": 1.5,
        "squares": 0.5,
        "mean_baseline": 10.0,
        "mean_candidate": 11.5,
        "rows": 40,
        "unlabelled": 1,
        "faulty_rows": 0,
        "unmeasured": 1,
        "blocks": ["2013-09-01", "2013-09-02", "2013-09-03"],
    }
    read = STATE.validate_python(written)
    assert isinstance(read, SequentialHarm)
    assert (read.n, read.mean, read.squares, read.rows) == (2, 1.5, 0.5, 40)
    late = BlockHarm(block="2013-09-02", harm=1.0, baseline=1.0, candidate=2.0, rows=1)
    with pytest.raises(BlockEnteredTwiceError):
        read.enter(late)


def test_whole_numbers_enter_in_their_own_order():
    state = SequentialHarm()
    for block in ("9", "10", "11"):
        state = state.enter(
            BlockHarm(block=block, harm=None, baseline=None, candidate=None, rows=0)
        )
    assert state.unmeasured == 3


NOTHING = BlockHarm(block="0001", harm=0.1, baseline=0.1, candidate=0.2, rows=7)


@pytest.mark.parametrize(
    ("state", "block"),
    [
        (DiscordantPairs(), NOTHING),
        (DiscordantPairs(), pairs_of(1, 7, 5, 3)),
        (DiscordantPairs(), pairs_of(1, 7, -1, 3)),
        (begun(), NOTHING),
        (begun(), bets_of(1, [0.1] * 6 + [1.5])),
        (UnpairedEvents(), NOTHING),
        (UnpairedEvents(), events_of(1, (3, 4, 4, 0))),
    ],
)
def test_a_block_that_is_not_what_the_method_needs_is_faults(state, block):
    after = state.enter(block)
    assert (after.n, after.faulty_rows) == (0, 7)
    assert after.log_e_harm(0.1) == after.log_e_safety(0.1) == 0.0
    assert after.confidence_sequence(0.05) == (None, None)


def test_a_stratum_with_one_arm_only_compares_nothing():
    after = UnpairedEvents().enter(events_of(1, (30, 0, 3, 0)))
    assert (after.n, after.unmeasured, after.log_e_harm(0.0)) == (0, 1, 0.0)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3_000)), max_size=6),
    st.floats(-1.5, 1.5),
)
def test_counts_give_finite_evidence_and_an_ordered_interval(blocks, margin):
    for begin in (DiscordantPairs, SequentialHarm):
        state = begin()
        for place, (better, worse, ties) in enumerate(blocks):
            state = state.enter(pairs_of(place, better + worse + ties, better, worse))
        assert math.isfinite(state.log_e_harm(margin))
        assert math.isfinite(state.log_e_safety(margin))
        low, high = state.confidence_sequence(0.05)
        assert low is None or high is None or low <= high


def test_equal_blocks_of_few_zero_one_rows_are_no_proof():
    """30 rows without a difference cannot exclude that one in a hundred is worse; 3,000 can."""
    few, many = SequentialHarm(), SequentialHarm()
    for place in range(15):
        few = few.enter(pairs_of(place, 2, 0, 0))
        many = many.enter(pairs_of(place, 200, 0, 0))
    assert few.log_e_safety(0.01) < 0.5
    assert few.confidence_sequence(0.05)[1] > 0.05
    assert many.log_e_safety(0.01) > LEVEL
    always_worse = SequentialHarm()
    for place in range(4):
        always_worse = always_worse.enter(pairs_of(place, 1, 0, 1))
    assert always_worse.log_e_harm(0.0) < LEVEL


def test_unpaired_blocks_without_any_event_are_no_evidence():
    state = SequentialHarm()
    for place in range(20):
        state = state.enter(events_of(place, (10, 10, 0, 0)))
    assert state.log_e_safety(0.1) == state.log_e_harm(-0.1) == 0.0
    assert state.confidence_sequence(0.05) == (None, None)


# ------------------------------------------------------------------ which method


@pytest.mark.parametrize(
    ("metric", "paired", "independent", "method"),
    [
        ("accuracy", True, False, Method.T_MIXTURE),
        ("accuracy", True, True, Method.BETA_MIXTURE),
        ("accuracy", False, True, Method.CONDITIONAL_EVENTS),
        ("accuracy", False, False, Method.T_MIXTURE),
        ("brier", True, True, Method.BETTING),
        ("brier", False, True, Method.T_MIXTURE),
        ("mae", True, True, Method.T_MIXTURE),
        ("rmse", True, True, Method.T_MIXTURE),
        ("roc_auc", True, True, Method.T_MIXTURE),
    ],
)
def test_the_policy_takes_the_sharpest_method_that_is_declared(metric, paired, independent, method):
    evidence = method_for(METRICS[metric], paired=paired, independent_units=independent)
    assert evidence.method is method
    assert evidence.begin(0.01).method == method
    assert (
        TypeAdapter(Evidence).validate_json(TypeAdapter(Evidence).dump_json(evidence)) == evidence
    )


def test_priors_follow_the_expected_count():
    paired = method_for(
        METRICS["accuracy"], paired=True, independent_units=True, units=5_000, rate=0.04
    )
    assert paired.expected == pytest.approx(200)
    events = method_for(
        METRICS["accuracy"],
        paired=False,
        independent_units=True,
        units=6_000,
        rate=0.01,
        candidate_share=0.05,
    )
    assert (events.expected, events.rate) == (pytest.approx(60 * 0.05 * 0.95), 0.01)
    _, weights = grid(200, 0.99)
    assert np.exp(weights).sum() == pytest.approx(1.0)
