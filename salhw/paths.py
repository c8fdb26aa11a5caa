"""The paths that a session reads and writes: ``projections.pair.weights``, ``populations.neurons.bias`` ..."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from salhw.connectivity import shape_of, values
from salhw.consistency import rule_name
from salhw.diagnostics import Diagnostic, SessionError
from salhw.fields import FloatArray, in_steps
from salhw.network import Network
from salhw.neurons import GLM, LIF
from salhw.refusal import nearest


@dataclass(frozen=True)
class Address:
    """One array of a session: ``shape`` without the instance dimension; ``rule`` counts a projection's rules."""

    path: str
    owner: str
    field: str
    shape: tuple[int, ...]
    rule: int = 0


def addresses(net: Network) -> dict[str, Address]:
    """Everything that a session of ``net`` can get and set: biases, weights, learning rates."""
    found = [
        Address(f"populations.{p.name}.bias", p.name, "bias", (p.size,))
        for p in net.populations
        if isinstance(p.neuron, GLM | LIF)
    ]
    for p in net.projections:
        shape = shape_of(p.weights, *net.ends(p.name)[:2])
        found.append(Address(f"projections.{p.name}.weights", p.name, "weights", shape))
        for k in range(len(p.plasticity)):
            path = f"projections.{p.name}.{rule_name(p, k)}.learning_rate"
            found.append(Address(path, p.name, "learning_rate", shape, k))
    return {address.path: address for address in found}


def described(net: Network, address: Address) -> FloatArray:
    """What the description says at an address, in the address's shape."""
    if address.field == "bias":
        neuron = net.population(address.owner).neuron
        value: float | FloatArray = neuron.bias if isinstance(neuron, GLM | LIF) else 0.0
    else:
        p = net.projection(address.owner)
        if address.field == "weights":
            value = values(p.weights, *net.ends(p.name))
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
