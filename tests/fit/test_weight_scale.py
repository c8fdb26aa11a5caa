"""Weights beyond the range are scaled where PSPs can make up for it, exactly; else they are cut off."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, Exponential, Network, Population, Projection, Tie

fit = partial(salhw.fit, target="nest", sized=False)


def strong(**rule: object) -> Network:
    """Weights of hundreds, of PSPs that are as small."""
    return Network(
        name="strong", dt=0.5, populations=[Population("n", 2, GLM(bias=-0.5))],
        projections=[Projection("p", "n", "n", [[0.0, 700.0], [300.0, 0.0]], kernel=Exponential(tau_syn=5.0, area=0.02),
                                plasticity=SAL(learning_rate=0.1, **rule) if rule else ())],
    )  # fmt: skip


def test_scaled_networks_spike_and_learn_alike_to_the_last_bit() -> None:
    net = strong(bounds=(0.0, 900.0))
    made = fit(net)
    (p,) = made.network.projections
    assert {change.path.removeprefix("projections.p.") for change in made.changes} == {
        "weights", "kernel.area", "plasticity.learning_rate", "plasticity.bounds",
    }  # fmt: skip
    assert p.plasticity[0].bounds == (0.0, 225.0)
    counts, weights = [], []
    for shown in (net, made.network):
        with salhw.compile(shown, "reference").open(instances=4, seed=3) as session:
            counts.append(session.run(2000.0).counts["n"])
            weights.append(session.get("projections.p.weights"))
    np.testing.assert_array_equal(*counts)
    np.testing.assert_array_equal(weights[0], 4.0 * weights[1])
    assert (weights[0] != [[0.0, 700.0], [300.0, 0.0]]).any()


def test_neurons_do_not_notice_by_the_sizes_either() -> None:
    for change in salhw.fit(strong(), "nest").changes:
        moved = {size.quantity for size in change.sizes if size.moves}
        assert moved == {"mean weight", "rms weight change"}
        assert {"spike probability", "rate"} <= {size.quantity for size in change.sizes}


def test_bounds_beyond_the_range_scale_the_weights_with_them() -> None:
    (p,) = strong(bounds=(0.0, 900.0)).projections
    rule = p.plasticity[0].replace(bounds=(0.0, 600.0))
    small = strong().replace(projections=[p.replace(weights=[[0.0, 150.0], [100.0, 0.0]], plasticity=rule)])
    (made,) = fit(small).network.projections
    assert made.plasticity[0].bounds == (0.0, 300.0)
    np.testing.assert_array_equal(made.weights.stored, [[0.0, 75.0], [50.0, 0.0]])
    assert made.kernel.area == 0.04


@pytest.mark.parametrize("kept", ["projections.p.kernel", "projections.p.kernel.area"])
def test_weights_are_cut_off_where_the_psp_is_to_stay(kept: str) -> None:
    (p,) = fit(strong(), keep=[kept]).network.projections
    np.testing.assert_array_equal(p.weights.stored, [[0.0, 200.0], [200.0, 0.0]])


def test_weights_are_cut_off_where_psps_have_no_area() -> None:
    (p,) = strong().projections
    plain = strong().replace(projections=[p.replace(kernel=Exponential(tau_syn=5.0))])
    made = fit(plain, target="loihi2")
    np.testing.assert_array_equal(made.network.projections[0].weights.stored, [[0.0, 63.5], [63.5, 0.0]])
    assert made.target.options["weight_exponent"].value == "auto", "the wider range is there for those that are cut off"
    assert {change.path for change in made.changes} == {"projections.p.weights", "target.options.weight_exponent"}
    kept = fit(plain, target="loihi2", keep=["target.options"])
    assert np.max(kept.network.projections[0].weights.stored) == 3.96875
    (chip,) = fit(plain, target="brainscales2").network.projections
    assert np.max(chip.weights.stored) == 20.16


def test_weights_that_are_copied_are_cut_off() -> None:
    """A copy would not follow, for it has a PSP of its own."""
    (p,) = strong(bounds=None).projections
    p = p.replace(weights=[[0.0, 2e6], [1e6, 0.0]], kernel=Exponential(tau_syn=5.0, area=1e-5))
    free = strong().replace(projections=[p, p.replace(name="copy", plasticity=(), weights=[[0.0, 1.0], [1.0, 0.0]])])
    tied = free.replace(ties=[Tie(projection="copy", to="p")])
    for net, expected in ((free, [[0.0, 1e6], [5e5, 0.0]]), (tied, [[0.0, 1e6], [1e6, 0.0]])):
        p = fit(net, target="reference").network.projection("p")
        np.testing.assert_array_equal(p.weights.stored, expected)
