"""Rules as programs: what the integers stand for, what is refused, and that nothing drifts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from salhw import SAL, AntiHebbian, DescriptionError, ExponentialWindow, Hebbian, PairSTDP, UnsupportedNetworkError
from salhw import WakeSleep as WakeSleepRule
from salhw_brainscales2.hardware import program
from salhw_brainscales2.hardware.program import PlasticityProgram, PlasticitySetting, PlasticityState
from salhw_brainscales2.hardware.rows import assign_rows, shortest_period

LEVEL = 1e-4
SETTING = PlasticitySetting(code=0.04)
PERIOD = {"update": "every 200 ms", "pairing": "nearest_restricted"}


def compiled(
    rule: PairSTDP, setting: PlasticitySetting = SETTING, *, chips: int = 1, synapses: int = 256, **options: Any
) -> PlasticityProgram:
    column = np.arange(synapses)
    baseline = np.full((chips, 2, synapses), 180.25)
    return program.compile_rule(rule, setting, column // 256, column % 256, baseline, **options)


@settings(max_examples=50, deadline=None)
@given(
    st.floats(1e-4, 0.07), st.sampled_from([SAL, Hebbian, AntiHebbian]), st.integers(0, 8),
    st.sampled_from(["stochastic", "symmetric"]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_a_change_is_the_rule_to_the_resolution(
    rate: float, constructor: Any, hidden_bits: int, rounding: program.Rounding, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rule = constructor(rate, **PERIOD)
    p = compiled(rule, PlasticitySetting(code=0.04, hidden_bits=hidden_bits, rounding=rounding))
    fall = rng.integers(-4, 60, (1, 2, 256))
    state = program.initial_state(p, rng.integers(-20, 21, (1, 256)))
    new = program.run(p, 180 - fall, state)
    amplitude = fall + 0.25
    exact = (
        rate / (0.04 * 2.0) * (rule.causal.amplitude * amplitude[:, 0] + rule.anticausal.amplitude * amplitude[:, 1])
    )
    change = (256 * (new.code - state.code) + new.residual) / 256
    # A factor is off by half a unit of 2^-(15 + guard), a product by one of 2^-(8 + guard), the rounding by one step.
    factor, product = 0.5 * 2.0 ** -(15 + p.guard), 2.0 ** -(8 + p.guard)
    error = factor * np.abs(amplitude).sum(axis=1) + 2 * product + 2.0**-hidden_bits
    inside = np.abs(new.code) < 63
    assert np.all(np.abs(change - exact)[inside] <= error[inside])
    assert inside.any()
    assert not (new.residual % 2 ** (8 - hidden_bits)).any()


def test_factors_are_signed_calibrated_and_as_fine_as_they_can_be() -> None:
    calibration = np.random.default_rng(0).uniform(0.5, 1.5, (3, 2, 256))
    amplitudes = np.array([-1.0, 1.0])[:, None] * calibration
    p = compiled(SAL(0.004, **PERIOD), chips=3, amplitudes=amplitudes)
    expected = 0.05 * amplitudes
    assert np.allclose(program.codes_per_lsb(p), expected, rtol=0, atol=0.5 * 2.0 ** -(15 + p.guard))
    assert np.abs(p.factor).max() * 2 > 2**15 or p.guard == 8 or 0.075 * 150 * 2 ** (9 + p.guard) >= 2**15
    assert np.allclose(program.codes_per_lsb(compiled(Hebbian(0.004, **PERIOD)))[0, :, 0], [0.05, -0.05], rtol=1e-4)
    slower = compiled(SAL(0.004, **PERIOD), learning_rate=np.linspace(0, 0.004, 256))
    assert np.allclose(program.codes_per_lsb(slower)[0, 1], np.linspace(0, 0.05, 256), atol=2.0**-17)
    assert p.baseline.tolist()[0][0][0] == round(180.25 * 128)
    assert p.seed.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("causal", "anticausal"), [(-0.06, 0.06), (0.04, 0.04), (-0.4, 0.0), (-0.9, -0.9)])
def test_no_charge_up_to_the_capacity_saturates_a_change(causal: float, anticausal: float) -> None:
    """Codes per LSB, at which one guard bit more would overflow; beyond 127 codes the weight saturates anyway."""
    rule = PairSTDP(
        causal=ExponentialWindow(amplitude=causal, tau=10.0),
        anticausal=ExponentialWindow(amplitude=anticausal, tau=10.0),
        learning_rate=0.08,
        **PERIOD,
    )
    p = compiled(rule, PlasticitySetting(code=0.04, rounding="symmetric"))
    state = program.initial_state(p, 63 if causal < 0 else -63)
    for fall in ([150, 0], [0, 150], [150, 150]):
        reads = np.broadcast_to(180 - np.array(fall)[:, None], (1, 2, 256))
        new = program.run(p, reads, state)
        exact = np.array([causal, anticausal]) @ (np.array(fall) + 0.25)
        expected = np.clip(state.code + exact, -63, 63)
        assert np.allclose(new.code + new.residual / 256, expected, rtol=0, atol=3 * 2.0 ** -(8 + p.guard) + 0.01)


def test_bounds_hold_to_the_code_and_the_host_may_write_weights() -> None:
    p = compiled(SAL(0.05, **PERIOD, bounds=(-1.0, 0.6)))
    state = program.initial_state(p, 0)
    up = np.stack([np.full((1, 256), 180), np.full((1, 256), 60)], axis=1)
    for _ in range(5):
        state = program.run(p, up, state)
    assert (state.code == 15).all()
    assert not state.residual.any()
    for _ in range(5):
        state = program.run(p, up[:, ::-1], state)
    assert (state.code == -25).all()
    assert (program.initial_state(p, 100.0).code == 63).all()


def test_a_batch_does_what_its_chips_do_alone_and_no_state_is_changed_in_place() -> None:
    rng = np.random.default_rng(3)
    column = np.repeat([3, 40, 300, 511], 2)  # of both hemispheres, two rows each
    baseline, row = rng.uniform(150.0, 200.0, (3, 2, 8)), np.tile([5, 2], 4)
    batch, *alone = (
        program.compile_rule(SAL(0.004, **PERIOD), SETTING, row, column, baseline[pick], seed=np.array([9, 1, 4])[pick])
        for pick in (slice(None), slice(0, 1), slice(1, 2), slice(2, 3))
    )
    assert batch.guard == alone[0].guard
    start = program.initial_state(batch, 0)
    before = start.generators.copy()
    states = [start, *(program.initial_state(p, 0) for p in alone)]
    for _ in range(20):
        reads = rng.integers(100, 200, (3, 2, 8))
        states = [
            program.run(batch, reads, states[0]),
            *(program.run(p, reads[[k]], states[k + 1]) for k, p in enumerate(alone)),
        ]
    for name in ("code", "residual", "generators"):
        together = getattr(states[0], name)
        assert all(np.array_equal(together[k], getattr(states[k + 1], name)[0]) for k in range(3))
    assert np.array_equal(start.generators, before)
    assert not start.code.any()
    assert len({x.tobytes() for x in states[0].generators.reshape(6, 256)}) == 6  # of chips and hemispheres


def noise_only(
    rule: PairSTDP, setting: PlasticitySetting, *, updates: int = 300, offset: float = 0.0
) -> tuple[PlasticityProgram, PlasticityState]:
    """A minute without spikes: reads of 2 LSB noise around a baseline that is known, or is off by ``offset``."""
    p = compiled(rule, setting, chips=40)
    state = program.initial_state(p, 0)
    rng = np.random.default_rng(1)
    for _ in range(updates):
        level = np.array([180.25 - offset, 180.25])[:, None] + 2.0 * rng.standard_normal((40, 2, 256))
        state = program.run(p, np.rint(level).astype(np.int64), state)
    return p, state


@pytest.mark.parametrize("rule", [SAL(0.004, **PERIOD), Hebbian(0.004, **PERIOD)])
@pytest.mark.parametrize(
    ("hidden_bits", "rounding", "excess"),
    # Variance of one update in codes: 2 reads x (4 + 1/12) LSB x .05; a stochastic code adds up to 1/4.
    [(8, "stochastic", 0.0), (8, "symmetric", 0.0), (0, "stochastic", 0.25)],
)
def test_noise_moves_no_mean(rule: PairSTDP, hidden_bits: int, rounding: program.Rounding, excess: float) -> None:
    setting = PlasticitySetting(code=0.04, hidden_bits=hidden_bits, rounding=rounding)
    _, state = noise_only(rule, setting)
    weight = state.code + state.residual / 256
    limit = stats.norm.isf(LEVEL / 2) * np.sqrt(300 * (2 * (4 + 1 / 12) * 0.05**2 + excess) / weight.size)
    assert abs(weight.mean()) < limit < 0.5


def test_an_offset_between_the_branches_moves_weights_which_is_why_baselines_have_fractions() -> None:
    p, state = noise_only(SAL(0.004, **PERIOD), SETTING, offset=0.5)
    assert (state.code + state.residual / 256).mean() == pytest.approx(-300 * 0.05 * 0.5, abs=0.2)
    assert (p.baseline % 128 == 32).all()


def rows_of(pairs: list[tuple[int, int]]) -> np.ndarray:
    return assign_rows([j for j, _ in pairs], [i for _, i in pairs])


def test_rows_are_shared_where_labels_and_columns_allow() -> None:
    assert rows_of([(1, 0), (0, 1), (3, 2), (2, 3)]).tolist() == [0, 0, 0, 0]
    for n in (7, 20):
        pairs = [(j, i) for i in range(n) for j in range(n) if i != j]
        rows = rows_of(pairs)
        assert rows.max() + 1 == n - 1
        assert len({(r, i) for r, (_, i) in zip(rows, pairs, strict=True)}) == len(pairs)
    wide = assign_rows(np.arange(100), np.arange(100))
    assert np.bincount(wide).tolist() == [64, 36]  # 64 labels per row
    assert shortest_period(7) == pytest.approx(7 * 2 * 28.0)
    assert shortest_period(7, signed=False, speed_up=1e4) == pytest.approx(7 * 280.0)


def found(rule: PairSTDP, rows: int = 1) -> list[tuple[str, str]]:
    return [(f.code, f.path) for f in program.findings(rule, "p.plasticity", SETTING, rows)]


def test_what_the_processor_cannot_do_is_found_all_at_once() -> None:
    assert found(SAL(0.004, **PERIOD)) == []
    assert found(SAL(0.004, **PERIOD), rows=3) == []
    assert found(SAL(0.004, **PERIOD), rows=4) == [("SAL202", "p.plasticity.update")]
    assert found(SAL(0.004)) == [("SAL101", "p.plasticity.update")]
    assert found(SAL(0.08, **PERIOD)) == [("SAL104", "p.plasticity.learning_rate")]
    wrong = PairSTDP(
        causal=ExponentialWindow(amplitude=1.0, tau=40.0), anticausal=ExponentialWindow(amplitude=1.0, tau=10.0),
        pairing="all", learning_rate=0.004, update="every 10 ms",
    )  # fmt: skip
    assert found(wrong) == [
        ("SAL104", "p.plasticity.causal.tau"), ("SAL104", "p.plasticity.anticausal.tau"),
        ("SAL103", "p.plasticity.pairing"), ("SAL202", "p.plasticity.update"),
    ]  # fmt: skip
    triangular = WakeSleepRule(0.001, **PERIOD)
    assert found(triangular)[:2] == [("SAL101", "p.plasticity.causal"), ("SAL101", "p.plasticity.anticausal")]
    with pytest.raises(UnsupportedNetworkError, match="SAL104 learning_rate"):
        compiled(SAL(0.07, **PERIOD), amplitudes=1.2)
    with pytest.raises(DescriptionError, match=r"SAL005 hidden_bits = 9: 0\.\.8\n.*\nSAL005 rounding = 'up'"):
        PlasticitySetting(code=0.04, hidden_bits=9, rounding="up")  # type: ignore[arg-type]
