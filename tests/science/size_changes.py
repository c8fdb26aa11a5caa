"""Networks and changes of every kind, whose sizes are predicted and measured in size_coverage.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

import salhw
from salhw import (
    GLM,
    LIF,
    SAL,
    Alpha,
    Exponential,
    Hebbian,
    Network,
    Poisson,
    Population,
    Projection,
    Rectangular,
    Source,
)  # fmt: skip
from salhw.registry import builder

Floats = npt.NDArray[np.float64]


def _pair(bias: list[float], weights: tuple[float, float], dt: float, kernel: object, rule: object) -> Network:
    return Network(
        name="two", dt=dt, populations=[Population(name="n", size=2, neuron=GLM(bias=bias))],
        projections=[Projection(name="p", pre="n", post="n", weights=[[0.0, weights[0]], [weights[1], 0.0]],
                                kernel=kernel, plasticity=rule)],
    )  # fmt: skip


def _inhibitory() -> Network:
    rng = np.random.default_rng(5)
    w = np.where(rng.random((20, 20)) < 0.4, 0.4, 0.0) * np.where(np.arange(20) < 16, 1.0, -3.0)
    np.fill_diagonal(w, 0.0)
    post, pre = np.nonzero(w)
    return Network(
        name="excitatory_inhibitory", dt=0.5,
        populations=[Population(name="n", size=20, neuron=GLM(bias=-1.5, discretisation="exact"))],
        projections=[Projection(name="p", pre="n", post="n", kernel=Exponential(tau_syn=5.0),
                                weights=salhw.Sparse(post=post, pre=pre, weight=w[post, pre]),
                                plasticity=Hebbian(learning_rate=1e-3, tau=15.0))],
    )  # fmt: skip


def _integrating() -> Network:
    rng = np.random.default_rng(6)
    return Network(
        name="integrating", dt=0.5,
        populations=[Population(name="n", size=5, neuron=LIF(bias=0.5, tau_m=10.0, tau_ref=2.0)),
                     Population(name="x", size=10, neuron=Source())],
        projections=[Projection(name="in", pre="x", post="n", weights=rng.uniform(0.2, 0.6, (5, 10)),
                                kernel=Exponential(tau_syn=5.0)),
                     Projection(name="p", pre="n", post="n", weights=rng.uniform(0, 0.4, (5, 5)) * (1 - np.eye(5)),
                                kernel=Exponential(tau_syn=5.0), plasticity=SAL(learning_rate=5e-4))],
        stimuli=[Poisson("x", rate=rng.uniform(10.0, 40.0, 10))],
    )  # fmt: skip


def networks() -> dict[str, Network]:
    """By name; each learns in the projection that ``learner`` returns."""
    alpha = Alpha(tau_syn=10.0 / 3.0, area=10.0, superposition="last")
    return {
        "pair": _pair([-0.5, -0.2], (1.5, 0.5), 0.4, Rectangular(), SAL(learning_rate=5e-4)),
        "pair, unequal": _pair([1.0, -1.0], (0.4, 1.2), 0.5, alpha, SAL(learning_rate=1e-3)),
        "pair, negative": _pair([0.5, 0.0], (-1.2, -0.3), 0.5, Rectangular(), SAL(learning_rate=5e-4, pairing="all")),
        "sampling": builder("sampling")(size=5, noise=0.4, sal_rate=5e-4, dt=0.5, update="spike"),
        "dale": builder("dale")(excitation=(1.5, 0.5), bias=(0.3, -0.3)),
        "E/I": _inhibitory(),
        "LIF": _integrating(),
    }


def learner(net: Network) -> Projection:
    """The first projection with a rule."""
    return next(p for p in net.projections if p.plasticity)


def edited(net: Network, **fields: object) -> Network:
    """The network with other fields of the projection that learns."""
    name = learner(net).name
    return net.replace(projections=tuple(p.replace(**fields) if p.name == name else p for p in net.projections))


def ruled(net: Network, **fields: object) -> Network:
    return edited(net, plasticity=tuple(rule.replace(**fields) for rule in learner(net).plasticity))


def _kernel(net: Network, **fields: object) -> Network:
    return edited(net, kernel=learner(net).kernel.replace(**fields))


def _weights(net: Network, change: Callable[[Floats], Floats]) -> Network:
    weights = learner(net).weights
    return edited(net, weights=weights.with_weights(change(np.asarray(weights.stored))))


def _other_pairing(net: Network) -> Network:
    return ruled(net, pairing="all" if learner(net).plasticity[0].pairing != "all" else "nearest_restricted")


def _other_grid(net: Network) -> Network:
    return net.replace(dt=net.dt / 2.0)


def _other_discretisation(net: Network) -> Network:
    other = {"logistic": "exact", "exact": "logistic"}
    return net.replace(
        populations=tuple(
            p.replace(neuron=p.neuron.replace(discretisation=other[p.neuron.discretisation]))
            if isinstance(p.neuron, GLM)
            else p
            for p in net.populations
        )
    )


def _other_kernel(net: Network) -> Network:
    kernel = learner(net).kernel
    return edited(net, kernel=Rectangular(tau_syn=10.0) if kernel.kind != "Rectangular" else Exponential(tau_syn=10.0))


def _bounded(net: Network) -> Network:
    """A Hebbian rule, whose weights learn across the bounds within ten seconds."""
    stored = np.asarray(learner(net).weights.stored)
    bounds = float(stored.min()) - 0.01, float(stored.max()) + 0.01
    return edited(net, plasticity=Hebbian(learning_rate=1e-3, pairing="nearest_restricted", bounds=bounds))


def _many_rates(net: Network) -> Network:
    p = learner(net)
    shape = p.weights.shape(*net.ends(p.name)[:2])
    rule = p.plasticity[0]
    factors = np.random.default_rng(3).uniform(0.5, 1.5, shape)
    return ruled(net, learning_rate=float(np.mean(rule.learning_rate)) * factors)


def _window(net: Network, **fields: Callable[[float], float]) -> Network:
    rule = learner(net).plasticity[0]
    window = rule.causal
    return ruled(net, causal=window.replace(**{name: change(getattr(window, name)) for name, change in fields.items()}))


def _lasting(net: Network) -> Network:
    """PSPs twice as long: the one before has not ended when the next spike comes."""
    return _kernel(net, tau_syn=2.0 * learner(net).kernel.tau_syn)


Same = lambda net: net  # noqa: E731
KINDS: dict[str, tuple[Callable[[Network], Network], Callable[[Network], Network]]] = {
    "pairing": (Same, _other_pairing),
    "nearest_symmetric": (Same, lambda net: ruled(net, pairing="nearest_symmetric")),
    "every T": (lambda net: ruled(net, update="spike"), lambda net: ruled(net, update="every 500 ms")),
    "run end": (lambda net: ruled(net, update="spike"), lambda net: ruled(net, update="run end")),
    "grid": (Same, _other_grid),
    "discretisation": (Same, _other_discretisation),
    "kernel": (Same, _other_kernel),
    "tau_syn": (Same, lambda net: _kernel(net, tau_syn=learner(net).kernel.tau_syn * 0.6)),
    "area": (Same, lambda net: _kernel(net, area=(learner(net).kernel.area or learner(net).kernel.tau_syn) * 0.8)),
    "superposition": (
        _lasting,
        lambda net: _kernel(net, superposition="last" if learner(net).kernel.superposition == "sum" else "sum"),
    ),
    "delay": (Same, lambda net: edited(net, delay=2.0)),
    "bounds dropped": (_bounded, lambda net: ruled(net, bounds=None)),
    "weights rounded": (Same, lambda net: _weights(net, lambda w: np.rint(w / 0.3) * 0.3)),
    "weights scaled": (Same, lambda net: _weights(net, lambda w: 0.8 * w)),
    "weights clipped": (Same, lambda net: _weights(net, lambda w: np.clip(w, -0.6, 0.6))),
    "one learning rate": (_many_rates, lambda net: ruled(net, learning_rate=float(np.mean(5e-4)))),
    "window": (Same, lambda net: _window(net, tau=lambda tau: 0.7 * tau)),
    "amplitude": (Same, lambda net: _window(net, amplitude=lambda a: 0.8 * a)),
}
"""What every network is before the change, and the change."""


def cases(kind: str) -> Iterator[tuple[str, Network, Network]]:
    """(network, before, after) of a kind; networks that have nothing of the kind are left out."""
    prepare, change = KINDS[kind]
    for name, net in networks().items():
        before = prepare(net)
        after = change(before)
        if before != after:
            yield name, before, after
