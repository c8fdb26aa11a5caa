"""Runs on the reference, and backends that are not there, refuse or break."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "plugin_example" / "src"))

import salhw_plain

import salhw
from salhw import (
    Network,
    Target,
    registry,
)
from salhw.comparison.measures import Run
from salhw.comparison.running import probed
from salhw.diagnostics import BackendError, Diagnostic
from salhw.registry import builder


def pair(**options: Any) -> Network:
    """The pair of Fig 2 with an update every 200 ms."""
    return builder("pair")(**{"update": "every 200 ms"} | options)


def ran(net: Network, duration: float, instances: int, seed: int) -> Run:
    """A network with a comparison's probes on the reference."""
    target = salhw.target("reference")
    whole = probed(net, target, duration)
    with salhw.compile(whole, target).open(instances=instances, seed=seed) as session:
        recording = session.run(duration)
        plastic = [p.name for p in whole.projections if p.plasticity]
        final = {name: session.get(f"projections.{name}.weights", form="synapses") for name in plastic}
    return Run(whole, recording, final)


class Elsewhere:
    """The plain backend as a target of another name, of which something is different."""

    def __init__(self, name: str) -> None:
        self.name = name

    def targets(self) -> Mapping[str, Target]:
        return {self.name: salhw_plain.backend.targets()["plain"].replace(name=self.name, backend=self.name)}

    def lower(self, net: Network, target: Target) -> Any:
        return salhw_plain.backend.lower(net, target)

    def open(self, executable: Any, *, chips: Sequence[Any], ids: Sequence[int], seed: int) -> Any:
        return salhw_plain.backend.open(executable, chips=chips, ids=ids, seed=seed)


class Gone(Elsewhere):
    """Its simulator is not installed."""

    def open(self, executable: Any, **options: Any) -> Any:
        finding = Diagnostic("SAL603", "open", "thesimulator", "an installed package", 'pip install "salhw[it]"')
        raise BackendError("BackendError: this target needs thesimulator", [finding])


class Broken(Elsewhere):
    """It dies <while> it runs."""

    def open(self, executable: Any, **options: Any) -> Any:
        raise RuntimeError("the <chip> caught fire")


class Narrow(Elsewhere):
    """It holds no GLM neurons."""

    def targets(self) -> Mapping[str, Target]:
        return {self.name: super().targets()[self.name].replace(neurons={})}


class Strong(Elsewhere):
    """Its weights are three times as strong as they should be."""

    def lower(self, net: Network, target: Target) -> Any:
        strong = [p.replace(weights=p.weights.with_weights(3.0 * p.weights.stored)) for p in net.projections]
        return salhw_plain.backend.lower(net.replace(projections=strong), target)


@contextmanager
def installed(monkeypatch: pytest.MonkeyPatch, *others: Any) -> Iterator[None]:
    """Only the reference and these backends."""
    known = {"reference": registry.backend("reference")} | {backend.name: backend for backend in others}
    with monkeypatch.context() as patch:
        patch.setattr(registry, "backends", lambda: known)
        registry.targets.cache_clear()
        try:
            yield
        finally:
            registry.targets.cache_clear()
