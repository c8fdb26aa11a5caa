"""Training on chips: what the host keeps beside coarse weights, and Fig 4's comparison where synapses differ."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salhw
from salhw_networks.experiment import Work
from salhw_networks.sampling import on_chips, sweep, synaptic_noise
from salhw_networks.sampling.on_chips import Curve
from salhw_networks.sampling.sweep import Condition, Scale
from salhw_networks.sampling.training import BIAS, WEIGHTS, Cases, Training, description, train

CODE = 0.04
ANALOG = salhw.target("brainscales2")
QUIET = ANALOG.with_noise(mismatch=False, trial=False, plasticity=False)
TINY = Scale(distributions=1, seeds=2, cycles=1, checks=1, measure=1_000.0, speed=10.0)
SHORT = Training(rule="state", update="every 500 ms", sleep=1_000.0)


def on_codes(condition: Condition) -> Cases:
    """Cases whose weights the chip holds as they are."""
    cases = sweep.cases(SHORT, TINY, [condition])
    return cases.with_state(CODE * np.rint(cases.weights / CODE), cases.bias)


def test_changes_below_a_code_are_kept_by_the_host() -> None:
    """From weights on the grid, 6-bit chips see the same spikes as chips without one (same seed): wake-sleep's changes,
    all of them below half a code, are the same to rounding; with the grid alone nothing would be learned."""
    start = on_codes(Condition("none", 0.0, 0.0, 0.002))
    chosen = QUIET.sample_chips(2)
    coarse, fine = (train(SHORT, start, 1, target=t, seed=1, chips=chosen) for t in (QUIET, QUIET.ideal()))
    np.testing.assert_allclose(coarse.weights, fine.weights, atol=1e-12)
    moved = np.abs(coarse.weights - start.weights)[:, ~np.eye(7, dtype=bool)]
    assert moved.min() > 0.0
    assert moved.max() < CODE / 2


def test_writing_the_same_codes_leaves_the_hidden_bits_alone() -> None:
    """SAL slowly, an update every 500 ms: host writes of what is held change no bit of what is learned, although no
    period of two updates moves a weight by half a code; so changes below a code add up on the chip, too."""
    rates, ends, steps = 0.002, [], []
    exe = salhw.compile(description(SHORT), QUIET)
    start = on_codes(Condition("SAL", 0.8, 0.0, 0.0))
    for writing in (False, True):
        with exe.open(instances=2, seed=3) as session:
            session.set(WEIGHTS, start.weights)
            session.set(BIAS, start.bias)
            session.set("projections.recurrent.plasticity.learning_rate", rates)
            for _ in range(6):
                session.run(1_000.0)
                held = session.get(WEIGHTS)
                if writing:
                    session.set(WEIGHTS, held)
                steps.append(held)
            ends.append(session.get(WEIGHTS))
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.abs(np.diff(steps[:6], axis=0)).max() < 1.5 * CODE
    assert (ends[0] != start.weights).sum() > 20


def test_a_curve_s_chips() -> None:
    """The same places of the same chips, with spreads as the curve says; the baseline is the ideal chip."""
    sal = Condition("SAL", 0.0, 0.0, 0.01, sal=0.01)
    loud = Curve("synapses x 4", sal, mismatch=4.0, sensors=0.05).of(ANALOG)
    for name in ("weight", "gain_exc", "gain_inh"):
        assert loud.variability[name].sd == pytest.approx(4 * ANALOG.variability[name].sd)
    assert loud.variability["v_leak"] == ANALOG.variability["v_leak"]
    assert {loud.variability[f"{b}_{q}"].sd for b in ("causal", "anticausal") for q in ("amplitude", "tau")} == {0.05}
    assert loud.variability["read_noise"] == ANALOG.variability["read_noise"]
    assert loud.variability["threshold_noise"].sd == 0.0
    assert Curve("trial", sal, 1.0, 0.1, trial=True).of(ANALOG).variability["threshold_noise"].sd > 0
    assert Curve("baseline", sal).of(ANALOG) == ANALOG.ideal()


def test_the_variant_is_chosen_by_what_the_target_declares() -> None:
    """The paper's where the target can hold it. A target that can hold none gets the paper's, and its diagnostics."""
    wanted = {"reference": "paper", "nest": "paper", "brainscales2": "periodic", "loihi2": "on-spike"}
    assert {name: synaptic_noise.suited(name) for name in wanted} == wanted


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Eight chips of the reference, each synapse of its own strength (sd .35), and the paper's noise: 60 cycles that
    stand for 6,000."""
    target = salhw.target("reference").with_variability({"weight": 0.35})
    how = replace(synaptic_noise.VARIANTS["periodic"], dt=1.0)
    scale = Scale(distributions=4, seeds=2, cycles=60, checks=1, measure=100_000.0, speed=100.0)
    none, sal = (Condition(m, 0.8, 0.0, synaptic_noise.RATE, *synaptic_noise.METHODS[m]) for m in ("none", "SAL"))
    chosen = [
        Curve("baseline", Condition("baseline", 0.0, 0.0, synaptic_noise.RATE)),
        Curve("Gaussian 0.8", none, 1.0, 0.0),
        Curve("Gaussian 0.8", sal, 1.0, 0.0),
    ]
    seen: list[float] = []
    out = tmp_path_factory.mktemp("chips")
    work = Work("test", out, target, {}, on_chips.total(scale, 3), seen.append)
    return chosen, scale, on_chips.run(work, how, scale, chosen, target), seen


def test_sal_recovers_what_differing_synapses_and_noise_cost(differing: Any) -> None:
    """Nothing is worse than the baseline, SAL better than nothing: Wilcoxon, level .05, eight runs. Measured effective
    weights: asymmetry below a quarter of what nothing leaves, in every run. Progress never falls, and ends at 1."""
    chosen, scale, data, seen = differing
    claims = on_chips.questions(data, chosen, scale)
    assert [c.agrees for c in claims] == [None, None, True]
    assert (data["effective"][1, 2] < 0.25 * data["effective"][1, 1]).all()
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_on_such_chips_effective_weights_are_aligned_not_nominal_ones(differing: Any) -> None:
    """What each chip's synapses make of a weight is its own: where effective weights agree, nominal ones differ, in
    each of eight runs (p = .004 if it were chance)."""
    _, _, data, _ = differing
    assert (data["asymmetry"][-1, 2] > data["effective"][1, 2]).all()


def test_asked_without_an_answer_is_not_judged(differing: Any) -> None:
    """Swapped methods: SAL that is no better than nothing is a NO. Too few runs: not judged."""
    chosen, scale, data, _ = differing
    swapped = dict(data) | {"forward": data["forward"][:, [0, 1, 1]]}
    with np.errstate(all="ignore"):
        swapped["forward"] = swapped["forward"] * np.array([1.0, 1.0, 1.001])[:, None]
    assert on_chips.questions(swapped, chosen, scale)[-1].agrees is False
    assert on_chips.questions(data, chosen, replace(scale, distributions=1))[-1].agrees is None


def test_a_stopped_piece_ends_the_others(tmp_path: Path) -> None:
    """One job fails, the other, which would work for ever, ends at its next word of progress."""
    work = Work("test", tmp_path, "reference", {}, 2.0)

    def endless(progress: Any) -> Any:
        while True:
            progress(0.1)

    def failing() -> Any:
        raise ValueError("no chip")

    with pytest.raises(ValueError, match="no chip"):
        on_chips.side_by_side(work, [failing, lambda: work.piece("endless", 1.0, endless)])


@pytest.mark.parametrize(("target", "variant", "curves"), [("brainscales2", "periodic", 2), ("loihi2", "on-spike", 5)])
def test_the_command_s_experiment_runs_on_the_chips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str, variant: Any, curves: int
) -> None:
    """The least that goes through all of it: one cycle of 1 s, a few curves."""
    whole = on_chips.curves
    monkeypatch.setattr(on_chips, "curves", lambda *arguments: whole(*arguments)[:curves])
    monkeypatch.setitem(synaptic_noise.ON_CHIPS, "smoke", TINY)
    monkeypatch.setitem(synaptic_noise.VARIANTS, variant, replace(synaptic_noise.VARIANTS[variant], sleep=1_000.0))
    result = synaptic_noise.experiment(tmp_path, scale="smoke", target=target)
    assert result["variant"] == variant
    assert result["target"] == target
    assert all((tmp_path / name).stat().st_size > 200 for name in result["files"])
    assert {row["agrees"] for row in result["rows"]} == {None}
