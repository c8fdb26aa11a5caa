"""Where fit refuses, what it says then, and what it is told to keep."""

from __future__ import annotations

import numpy as np
import pytest
from fit_examples import changes, fit, two

import salhw
from salhw import (
    GLM,
    SAL,
    Clamp,
    DescriptionError,
    Hebbian,
    Network,
    Population,
    Projection,
    SpikeTimes,
    UnsupportedNetworkError,
)


def test_what_cannot_be_had_is_refused_with_what_else_it_needs() -> None:
    net = two(weights=[[0.0, 24.0], [0.5, 0.0]]).replace(stimuli=[Clamp("n", 1)])
    with pytest.raises(UnsupportedNetworkError) as error:
        fit(net, "brainscales2")
    assert [finding.path for finding in error.value.diagnostics] == ["stimuli[0]"]
    assert "Also needs: projections.p.weights = Dense (0, 24, 0.5, 0) -> Dense (0, 20.16, 0.5, 0)" in str(error.value)
    assert "Also runs on: nest, reference." in str(error.value)
    with pytest.raises(UnsupportedNetworkError, match="Also needs"):
        salhw.compile(net, "brainscales2", fit=True)


def test_what_it_needs_besides_has_no_change_that_others_made_superfluous() -> None:
    """The pairing is changed first; then a learning rate needs the host, which has all pairings."""
    net = two(plasticity=Hebbian(0.3, tau=10.0, pairing="all")).replace(stimuli=[Clamp("n", 1)])
    with pytest.raises(UnsupportedNetworkError) as error:
        fit(net, "brainscales2")
    besides = str(error.value).split("Also needs: ")[1]
    assert "projections.p.plasticity.execution = chip -> host" in besides
    assert "pairing" not in besides


def test_amplitudes_stay_where_the_same_learning_rate_would_only_be_refused_elsewhere() -> None:
    """Impulses of loihi2 are steps of 2^-13 in changes per pair, whichever factor makes them; its host would have this
    rule as it is."""
    net = two(plasticity=SAL(1e-4, pairing="all"))
    assert changes(net, "loihi2", "projections.p.plasticity.execution") == {
        "plasticity.learning_rate": ("0.0001", "0.0001220703125")
    }


def test_what_it_needs_besides_is_a_line_for_each_change_without_long_lists() -> None:
    many = 24.0 * (1.0 - np.eye(40))
    net = Network(
        name="many",
        dt=1.0,
        populations=[Population("n", 40, GLM())],
        projections=[Projection("p", "n", "n", many, delay=1.0)],
        stimuli=[Clamp("n", 1)],
    )
    with pytest.raises(UnsupportedNetworkError) as error:
        fit(net, "brainscales2")
    lines = str(error.value).splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith("Also needs: "))
    assert sorted(line.removeprefix("Also needs:").strip() for line in lines[start : start + 2]) == [
        "projections.p.delay = 1 ms -> 0 ms",
        "projections.p.weights = Dense 0..24 (1600 numbers) -> Dense 0..20.16 (1600 numbers)",
    ]


def test_forced_spikes_and_stimuli_stay_as_they_are() -> None:
    net = two().replace(stimuli=[SpikeTimes("n", [[1.0, 2.0], []])])
    with pytest.raises(UnsupportedNetworkError) as error:
        fit(net, "nest")  # spikes within the refractory period
    assert error.value.diagnostics[0].path == "stimuli[0]"


@pytest.mark.parametrize(
    ("keep", "near"),
    [("projections.q", "projections.p"), ("populations.n.biass", "populations.n.bias"), ("probes[0]", ""), ("", "")],
)
def test_a_path_that_names_nothing_cannot_be_kept(keep: str, near: str) -> None:
    with pytest.raises(DescriptionError) as error:
        fit(two(), "nest", keep=[keep])
    (finding,) = error.value.diagnostics
    assert (finding.code, finding.path) == ("SAL009", "keep[0]")
    assert near in finding.fix
    with pytest.raises(DescriptionError):
        fit(two(), "nest", keep="projections.p")  # text is no list of paths


@pytest.mark.parametrize(
    "keep", ["projections", "projections.p", "projections.p.plasticity", "projections.p.plasticity[0].update"]
)
def test_a_path_keeps_all_that_lies_below_it(keep: str) -> None:
    net = two(plasticity=SAL(0.01))
    with pytest.raises(UnsupportedNetworkError):
        fit(net, "brainscales2", keep=[keep])
    assert fit(net, "brainscales2", keep=["projections.p.kernel"]).changes
