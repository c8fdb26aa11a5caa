"""Weights and the bounds of the rules that change them."""

from __future__ import annotations

from typing import Any

import pytest

from salhw import GLM, SAL, DescriptionError, Network, Population, Projection, Sparse


@pytest.mark.parametrize(
    ("weights", "path"),
    [
        ([[0.0, 0.5], [1.5, 0.0]], "projections.sa.weights[1][0]"),
        (Sparse(post=[0, 1], pre=[1, 0], weight=[-1.5, 0.5]), "projections.sa.weights[0]"),
    ],
)
def test_weights_start_inside_the_bounds(weights: Any, path: str) -> None:
    net = Network(
        name="n",
        dt=1.0,
        populations=[Population(name="a", size=2, neuron=GLM())],
        projections=[Projection(name="sa", pre="a", post="a", weights=[[0.0, 0.5], [1.0, 0.0]])],
    )
    bounded = net.projections[0].replace(plasticity=SAL(learning_rate=0.1, bounds=(-1.0, 1.0)))
    assert net.replace(projections=[bounded]).projections == (bounded,)  # the empty diagonal is no weight
    with pytest.raises(DescriptionError) as caught:
        net.replace(projections=[bounded.replace(weights=weights)])
    assert [d.path for d in caught.value.diagnostics] == [path]
