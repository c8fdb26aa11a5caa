"""How much a change matters: cases that are known exactly, and that only what differs is sized. How often predictions
hold on networks that nobody can solve is measured in tests/science/size_coverage.py."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pytest

from salhw import (
    GLM,
    LIF,
    SAL,
    Exponential,
    ExponentialWindow,
    Network,
    PairSTDP,
    Population,
    Projection,
    Rectangular,
    Sparse,
    Spikes,
)  # fmt: skip
from salhw.compiler.sizes import sizes
from salhw.compiler.sizes.attractor import settling
from salhw.compiler.sizes.coupled import pair
from salhw.compiler.sizes.reference import _run, activity
from salhw.compiler.sizes.statistics import compared, compared_noise
from salhw.description.fields import PerNeuron
from salhw.description.markers import Mark
from salhw.description.neurons import Neuron
from salhw.session.changes import Size
from salhw.theory import drift, rate_of_constant_input, stdd

BIASES = np.array([-0.5, 0.3, 1.0])
DT, TAU = 0.5, 10.0


@pytest.fixture(autouse=True)
def shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the usual runs: intervals are wider, and hold as often."""
    monkeypatch.setattr("salhw.compiler.sizes.reference.WORK", 2e6)


def network(weights: Any, rule: Any = None, *, bias: Any = 0.0, neuron: Any = None, **fields: Any) -> Network:
    """Neurons that learn among each other."""
    size = 3 if isinstance(weights, Sparse) else len(weights)
    cells = Population(name="cells", size=size, neuron=neuron or GLM(bias=bias))
    p = Projection(name="p", pre="cells", post="cells", weights=weights, plasticity=rule or SAL(1e-3), **fields)
    return Network(name="small", dt=DT, populations=[cells], projections=[p])


def learning(net: Network, **fields: Any) -> Network:
    """With other fields of every rule."""
    return with_projection(net, plasticity=[rule.replace(**fields) for rule in net.projections[0].plasticity])


def with_projection(net: Network, **fields: Any) -> Network:
    return net.replace(projections=[net.projections[0].replace(**fields)])


def by_quantity(before: Network, after: Network) -> dict[str, Size]:
    return {size.quantity: size for size in sizes(before, after)}


def holds(size: Size, written: float, changed: float) -> bool:
    """Whether the difference that was predicted is the true one, within twice the stated 95 %: by chance it is not
    in one of 10,000 cases."""
    return abs((size.changed - size.written) - (changed - written)) <= 2.0 * size.error


# ------------------------------------------------------------------------------------------------ only what differs


PAIR = network([[0.0, 1.0], [0.4, 0.0]], bias=[0.2, -0.3])


@pytest.mark.parametrize(
    "after",
    [
        PAIR,
        PAIR.replace(probes=[Spikes("cells")]),
        PAIR.replace(name="another"),
        learning(PAIR, execution="host"),
    ],
    ids=["the same", "probes", "name", "execution"],
)
def test_what_changes_nothing_has_no_size(after: Network) -> None:
    assert sizes(PAIR, after) == ()


def test_a_schedule_leaves_the_drift_and_delays_it_by_half_a_period() -> None:
    exact = pair(PAIR)
    assert exact is not None
    for update, period in (("every 400 ms", 0.4), ("run end", 1.0)):
        found = by_quantity(PAIR, learning(PAIR, update=update))
        assert list(found) == ["gap lag"]
        lag = found["gap lag"]
        assert lag.written == 0.0
        assert holds(lag, 0.0, -exact.gap_drift(exact.gap) * period / 2.0)
        assert lag.error < 0.2 * abs(lag.changed)


def test_a_chain_of_changes_runs_each_network_once() -> None:
    first, second = learning(PAIR, pairing="all"), learning(PAIR, pairing="all", learning_rate=2e-3)
    _run.cache_clear()
    sizes(PAIR, first)
    assert _run.cache_info().misses == 2
    sizes(first, second)  # the pair sums are the same, at another rate
    assert _run.cache_info().misses == 2


def test_repeating_gives_the_same_sizes() -> None:
    after = learning(PAIR, pairing="all")
    first = sizes(PAIR, after)
    _run.cache_clear()
    assert sizes(PAIR, after) == first


# ----------------------------------------------------------------------------------------------------------- weights


def test_rounding_is_exact() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(0.0, 1.0, (4, 4)) * (1.0 - np.eye(4))
    rounded = np.rint(weights / 0.25) * 0.25
    before = network(weights)
    found = by_quantity(before, with_projection(before, weights=rounded))
    synapse = ~np.eye(4, dtype=bool)
    mean, moved = found["mean weight"], found["rms weight change"]
    assert (mean.written, mean.changed) == pytest.approx((weights[synapse].mean(), rounded[synapse].mean()))
    assert moved.changed == pytest.approx(np.sqrt(np.mean((rounded - weights)[synapse] ** 2)))
    assert {(size.error, size.origin) for size in (mean, moved)} == {(0.0, "exact")}
    assert "rate" in found


def test_the_order_of_a_list_of_synapses_does_not_matter() -> None:
    weights = np.array([[0.0, 1.0, 0.2], [0.4, 0.0, -0.5], [0.6, 0.1, 0.0]])
    post, pre = np.nonzero(weights)
    order = np.random.default_rng(2).permutation(len(post))
    dense = network(weights)
    sparse = network(Sparse(post=post[order], pre=pre[order], weight=weights[post, pre][order]))
    other = {"pairing": "nearest_symmetric"}
    for a, b in zip(sizes(dense, learning(dense, **other)), sizes(sparse, learning(sparse, **other)), strict=True):
        assert (a.quantity, a.written, a.changed) == (b.quantity, pytest.approx(b.written), pytest.approx(b.changed))


# ---------------------------------------------------------------------------------------------- spikes, exactly known


def test_the_discretisation_changes_the_probability_of_a_spike_as_its_formula_says() -> None:
    net = network([[0.0, 1.0], [1.0, 0.0]], bias=0.3)
    after = net.replace(populations=[net.populations[0].replace(neuron=GLM(bias=0.3, discretisation="exact"))])
    found = by_quantity(net, after)["spike probability"]
    hazard = np.exp(1.3) * DT / 10.0
    assert found.written == pytest.approx(1.0 - (1.0 / (1.0 + hazard)) ** 20)
    assert found.changed == pytest.approx(1.0 - np.exp(-20 * hazard))
    assert (found.error, found.origin) == (0.0, "exact")
    distance = by_quantity(net, after)["mean hazard error"].changed
    assert distance == pytest.approx((hazard - np.log1p(hazard)) / DT)


def test_a_finer_grid_changes_no_hazard_but_by_the_discretisation() -> None:
    net = network([[0.0, 1.0], [1.0, 0.0]], bias=0.3, neuron=GLM(bias=0.3, discretisation="exact"))
    found = by_quantity(net, net.replace(dt=DT / 2))
    assert "spike probability" not in found or found["spike probability"].changed == pytest.approx(
        found["spike probability"].written
    )
    assert found["mean hazard error"].changed == pytest.approx(0.0, abs=1e-12)


def test_the_rate_of_neurons_without_input_is_that_of_theory() -> None:
    net = network(np.zeros((3, 3)), bias=BIASES)
    after = net.replace(populations=[net.populations[0].replace(neuron=GLM(bias=BIASES, discretisation="exact"))])
    found = by_quantity(net, after)["rate"]
    rates = [rate_of_constant_input(BIASES, 20, how).mean() * 1000.0 / DT for how in ("logistic", "exact")]
    assert holds(found, *rates)
    assert found.error < 0.01 * found.written


def test_neurons_without_chance_are_sized_from_second_to_second() -> None:
    """Two LIF neurons with a constant input spike every tau_ref - dt + tau_m ln(b / (b - 1)), to the step above:
    the step in which the refractory period ends is integrated over."""
    before, after = (network(np.zeros((2, 2)), neuron=LIF(bias=b, tau_m=10.0, tau_ref=2.0)) for b in (1.5, 2.0))
    found = by_quantity(before, after)["rate"]
    rates = [1000.0 / (2.0 - DT + DT * np.ceil(10.0 * np.log(b / (b - 1.0)) / DT)) for b in (1.5, 2.0)]
    assert holds(found, *rates)
    assert found.error < 0.05 * found.written


# ------------------------------------------------------------------------------------------------------------- rules


LOPSIDED = PairSTDP(
    causal=ExponentialWindow(amplitude=1.0, tau=TAU), anticausal=ExponentialWindow(amplitude=-0.4, tau=TAU),
    learning_rate=1e-3, pairing="all",
)  # fmt: skip


def test_all_pairs_of_uncoupled_neurons_drift_with_the_product_of_their_rates() -> None:
    before = network(np.zeros((3, 3)), LOPSIDED, bias=BIASES)
    after = learning(before, causal=ExponentialWindow(amplitude=1.0, tau=0.5 * TAU))
    rates = rate_of_constant_input(BIASES, 20)
    products = (np.outer(rates, rates).sum() - (rates**2).sum()) / 6.0

    def exact(tau: float) -> float:
        up, down = (a * np.exp(-DT / t) / (1.0 - np.exp(-DT / t)) for a, t in ((1.0, tau), (-0.4, TAU)))
        return float(1e-3 * products * (up + down + 0.5 * (1.0 - 0.4)) * 1000.0 / DT)

    found = by_quantity(before, after)["drift"]
    assert holds(found, exact(TAU), exact(0.5 * TAU))
    assert found.error < 0.1 * abs(found.changed - found.written)
    assert found.origin == "reference"


def test_a_learning_rate_scales_the_drift() -> None:
    before = network(np.zeros((3, 3)), LOPSIDED, bias=BIASES)
    found = by_quantity(before, learning(before, learning_rate=2e-3))
    assert found["drift"].changed == pytest.approx(2.0 * found["drift"].written, rel=1e-6)
    assert found["weight noise"].changed == pytest.approx(2.0 * found["weight noise"].written, rel=1e-6)
    assert "rate" not in found


def test_two_neurons_have_what_theory_says() -> None:
    weights, bias = [[0.0, 1.2], [0.3, 0.0]], [0.5, -0.5]
    before = network(weights, SAL(1e-3, pairing="nearest_symmetric"), bias=bias)
    found = by_quantity(before, learning(before, pairing="nearest_restricted"))
    window = np.exp(-np.arange(400) * DT / TAU)
    for pairing, value in (("nearest_symmetric", "written"), ("nearest_restricted", "changed")):
        pairs = stdd(weights, bias, np.ones(20), 20, 399, pairing=pairing)
        into = 1e-3 * 1000.0 / DT * drift(pairs, -window, window)
        assert getattr(found["gap drift"], value) == pytest.approx(-2.0 * into, rel=1e-3)
    assert "drift" not in found, "SAL keeps the sum of two reciprocal weights"
    assert found["attractor"].origin == "theory"
    assert found["attractor"].written != pytest.approx(found["attractor"].changed, abs=0.05)


@pytest.mark.parametrize("pairing", ["nearest_restricted", "nearest_symmetric", "all"])
def test_the_reference_agrees_with_theory_about_two_neurons(pairing: Any) -> None:
    """Drift, rates, attractor: within five standard errors, wrong by chance in one of a million."""
    net = network([[0.0, 1.2], [0.3, 0.0]], SAL(1e-3, pairing=pairing), bias=[0.5, -0.5])
    exact, held = pair(net), activity(net, 3)
    assert exact is not None
    assert held is not None

    def off(sample: Any, value: float) -> float:
        return float(abs(sample.mean() - value) / (sample.std(ddof=1) / np.sqrt(len(sample))))

    assert off(held.rates["cells"].mean(axis=1), exact.rates.mean()) < 5
    assert off(held.learning["p"].gap.mean(axis=1), -exact.gap_drift(exact.gap)) < 5
    settled = settling(net, "p", np.array([-1.0]), 3)
    gap = exact.attractor()
    assert settled is not None
    assert settled.attractor is not None
    assert gap is not None
    spread = settled.attractor.std(ddof=1) / np.sqrt(len(settled.attractor))
    assert abs(settled.attractor.mean() + gap) < 5 * spread + settled.doubt


def test_a_rule_that_drives_weights_apart_has_no_attractor() -> None:
    net = network([[0.0, 1.2], [0.3, 0.0]], bias=[0.5, -0.5])
    hebbian = (
        net.projections[0]
        .plasticity[0]
        .replace(causal=ExponentialWindow(tau=TAU), anticausal=ExponentialWindow(amplitude=-1.0, tau=TAU))
    )
    found = by_quantity(net, with_projection(net, plasticity=hebbian))
    assert found["gap decay"].written > 0 > found["gap decay"].changed
    assert "attractor" not in found


def test_weights_whose_sum_moves_on_do_not_settle() -> None:
    net = network([[0.0, 1.2], [0.3, 0.0]], bias=[0.5, -0.5])
    (rule,) = net.projections[0].plasticity
    after = learning(net, causal=rule.causal.replace(tau=0.5 * TAU))
    found = by_quantity(net, after)
    assert found["drift"].changed != 0.0
    assert found["gap decay"].changed > 0.0
    assert "attractor" not in found
    slower = net.projections[0].replace(kernel=Exponential(tau_syn=5.0))  # which theory does not have
    found = by_quantity(
        net.replace(projections=[slower]),
        after.replace(projections=[slower.replace(plasticity=after.projections[0].plasticity)]),
    )
    assert "gap decay" in found
    assert "attractor" not in found


def test_what_is_beyond_bounds_that_were_dropped() -> None:
    net = network([[0.0, 0.3], [0.3, 0.0]], LOPSIDED.replace(bounds=(0.0, 0.3), learning_rate=3e-3))
    found = by_quantity(net, learning(net, bounds=None))
    assert set(found) == {"share beyond bounds", "learned gap"}
    share = found["share beyond bounds"]
    assert share.written == 0.0
    assert share.changed > 0.9, "the weights grow by 3e-3 * .6 * 10 ms * rates of 50 Hz squared a second"


# ------------------------------------------------------------------------------------------------- foreign kinds, tools


def test_a_neuron_that_the_reference_does_not_know_leaves_the_exact_sizes(kinds_forgotten: None) -> None:
    class Strange(Neuron):
        """A neuron of somebody else's."""

        offers: ClassVar = frozenset({"spikes", "bias"})
        kind: Literal["Strange"] = "Strange"
        bias: Annotated[PerNeuron, Mark(0.0, 0.5, np.inf, per="neuron", settable="always")] = 0.0

    before = network([[0.0, 0.33], [0.33, 0.0]], neuron=Strange())
    found = sizes(before, with_projection(before, weights=[[0.0, 0.25], [0.25, 0.0]]))
    assert {size.origin for size in found} == {"exact"}
    assert {size.quantity for size in found} == {"mean weight", "rms weight change"}


def test_theory_declines_what_it_does_not_have() -> None:
    assert pair(PAIR) is not None
    assert pair(with_projection(PAIR, kernel=Exponential(tau_syn=5.0))) is None  # adds up beyond the last spike
    assert pair(with_projection(PAIR, kernel=Rectangular(tau_syn=12.0))) is None
    assert pair(with_projection(PAIR, delay=0.5)) is None  # 10.5 ms after a spike another one can have come
    assert pair(with_projection(PAIR, kernel=Rectangular(tau_syn=9.5), delay=0.5)) is not None
    assert pair(network(np.zeros((3, 3)))) is None
    longer = {"kernel": Rectangular(tau_syn=12.0, superposition="last")}
    assert pair(with_projection(PAIR, **longer)) is not None
    assert pair(with_projection(PAIR, **longer, delay=0.5)) is None  # the spike before acts until the next arrives


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Means and roots of mean squares of what is known, 2,000 times: 95 % within 2 % (4 standard errors)."""
    rng = np.random.default_rng(7)
    covered = np.zeros(2)
    for _ in range(2000):
        common = rng.normal(0.0, 1.0, (16, 4))
        written, changed = common, 0.5 + common + rng.normal(0.0, 0.3, (16, 4))
        mean = compared(written, changed)
        covered[0] += abs(mean.changed - mean.written - 0.5) <= mean.error
        noise = compared_noise(common**2, (2.0 * common) ** 2)
        covered[1] += abs(noise.changed - noise.written - 1.0) <= noise.error
    assert np.abs(covered / 2000 - 0.95) == pytest.approx([0.0, 0.0], abs=0.02)
