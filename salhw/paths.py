"""The paths that a session reads and writes: ``projections.pair.weights``, ``populations.neurons.bias`` ..."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from salhw.connectivity import shape_of, values
from salhw.consistency import rule_name
from salhw.diagnostics import Diagnostic, SessionError
from salhw.fields import FloatArray, in_steps
from salhw.network import Network, Projection
from salhw.neurons import GLM, LIF
from salhw.refusal import nearest

if TYPE_CHECKING:
    from salhw.target import Target

BRANCHES = ("causal", "anticausal")
"""Of the window of a rule."""


@dataclass(frozen=True)
class Address:
    """One array of a session: ``shape`` without the instance dimension; ``rule`` counts a projection's rules, and
    ``branch`` is the one that an amplitude belongs to."""

    path: str
    owner: str
    field: str
    shape: tuple[int, ...]
    rule: int = 0
    branch: str = ""


def addresses(net: Network, target: Target | None = None) -> dict[str, Address]:
    """Everything that a session of ``net`` can get and set: biases, weights, learning rates; and the amplitudes of
    windows that the ``target`` declares ``settable``."""
    found = [
        Address(f"populations.{p.name}.bias", p.name, "bias", (p.size,))
        for p in net.populations
        if isinstance(p.neuron, GLM | LIF)
    ]
    for p in net.projections:
        shape = shape_of(p.weights, *net.ends(p.name)[:2])
        found.append(Address(f"projections.{p.name}.weights", p.name, "weights", shape))
        for k in range(len(p.plasticity)):
            at = f"projections.{p.name}.{rule_name(p, k)}"
            found.append(Address(f"{at}.learning_rate", p.name, "learning_rate", shape, k))
            found += [
                Address(f"{at}.{branch}.amplitude", p.name, "amplitude", shape, k, branch)
                for branch in _settable(p, k, target)
            ]
    return {address.path: address for address in found}


def _settable(p: Projection, rule: int, target: Target | None) -> Iterator[str]:
    """The branches of a rule whose amplitudes a session of ``target`` can change."""
    for branch in BRANCHES if target else ():
        assert target is not None
        fields = target.windows.get(getattr(p.plasticity[rule], branch).kind, {}).get("settable", ())
        if isinstance(fields, tuple) and "amplitude" in fields:
            yield branch


def described(net: Network, address: Address) -> FloatArray:
    """What the description says at an address, in the address's shape."""
    if address.field == "bias":
        neuron = net.population(address.owner).neuron
        value: float | FloatArray = neuron.bias if isinstance(neuron, GLM | LIF) else 0.0
    else:
        p = net.projection(address.owner)
        if address.field == "weights":
            value = values(p.weights, *net.ends(p.name))
        elif address.field == "amplitude":
            value = getattr(p.plasticity[address.rule], address.branch).amplitude
        else:
            value = p.plasticity[address.rule].learning_rate
    return np.array(np.broadcast_to(value, address.shape), dtype=np.float64)


def session_error(code: str, path: str, asked: str, supported: str, fix: str = "") -> SessionError:
    """The one error of everything that a session refuses."""
    return SessionError("SessionError: refused", [Diagnostic(code, path, asked, supported, fix)])


def find(known: dict[str, Address], path: str) -> Address:
    """The address at ``path``.

    Raises:
        SessionError: no such path.
    """
    if path not in known:
        raise session_error("SAL402", path, "", f"one of {', '.join(known)}", nearest(path, known))
    return known[path]


def as_written(address: Address, value: npt.ArrayLike, instances: int) -> FloatArray:
    """``value`` broadcast to (instance, *shape).

    Raises:
        SessionError: it does not broadcast, or is not finite.
    """
    shape = (instances, *address.shape)
    try:
        array = np.broadcast_to(np.asarray(value, dtype=np.float64), shape)
    except (ValueError, TypeError):
        asked = f"shape {np.shape(value)}" if not isinstance(value, str) else value
        supported = f"numbers of shape {shape}, or {address.shape}"
        raise session_error("SAL403", address.path, asked, supported, "shape it as get() does") from None
    if not np.isfinite(array).all():
        raise session_error("SAL403", address.path, "NaN or infinity", "finite numbers", "replace them")
    return array


def duration_steps(net: Network, duration: float) -> int:
    """The steps of a run of ``duration`` ms.

    Raises:
        SessionError: no whole number of steps, or less than one.
    """
    count = in_steps(duration, net.dt)
    if count is None or count < 1:
        supported = f"whole multiples of dt = {net.dt:g} ms, at least one"
        raise session_error("SAL404", "duration", f"{duration:g} ms", supported, "round the duration")
    return count
