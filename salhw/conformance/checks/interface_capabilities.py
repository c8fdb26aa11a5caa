"""What a target declares is what it does: no less, no more, and nothing in silence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from salhw.compiler.pipeline import compile
from salhw.conformance import examples
from salhw.conformance.lab import Lab
from salhw.conformance.model import Evidence, check
from salhw.description.fields import Model
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError
from salhw.session.recording import Recording

STEPS = 20


@check("declared-runs", group="interface")
def declared_runs(lab: Lab) -> Evidence:
    """Every kind, option and range end that the target declares compiles, runs, and returns what its probes ask for."""
    wrong, count = [], 0
    for example in examples.declared(lab):
        count += 1
        try:
            with compile(example.net, example.target, plugin=lab.backend).open(instances=2, seed=lab.seed) as session:
                flaw = _incomplete(session.run(STEPS * lab.dt), example)
        except UnsupportedNetworkError as error:
            flaw = " ".join(str(error.diagnostics[0]).split())
        if flaw:
            wrong.append(f"{example.what}: {flaw}")
    return tally(wrong, count, "declared but failing", f"all {count} networks run, one for each thing declared")


def _incomplete(recording: Recording, example: examples.Example) -> str:
    """What a recording lacks; empty if nothing."""
    kept: dict[str, Any] = {
        "Spikes": recording.spikes, "Membrane": recording.membrane_traces, "Weights": recording.weight_traces,
        "StateOccupancy": recording.occupancy_counts,
    }  # fmt: skip
    for population in example.net.populations:
        counts = recording.counts.get(population.name)
        if counts is None or counts.shape != (2, population.size):
            return f"no spike counts of {population.name}, two instances by {population.size} neurons"
    for probe in example.net.probes:
        here = kept.get(probe.kind)
        if probe.label not in recording.samples if here is None else probe.about not in here:
            return f"nothing recorded by the {probe.kind} probe"
    return ""


@check("undeclared-refused", group="interface")
def undeclared_refused(lab: Lab) -> Evidence:
    """Every kind, option, value and size that the target does not declare is refused with its code, and before the
    backend is asked for anything. (What it does declare is taken from a copy of the target, and then has to go.)"""
    wrong, count = [], 0
    for example in examples.undeclared(lab):
        count += 1
        asked = _Asked(lab)
        try:
            compile(example.net, example.target, plugin=asked)
        except UnsupportedNetworkError as error:
            if example.code not in {finding.code for finding in error.diagnostics}:
                codes = ", ".join(sorted({finding.code for finding in error.diagnostics}))
                wrong.append(f"{example.what}: {codes} instead of {example.code}")
            elif asked.calls:
                wrong.append(f"{example.what}: the backend was asked to {asked.calls[0]} it before it was refused")
        else:
            wrong.append(f"{example.what}: accepted")
    return tally(
        wrong, count, "undeclared but accepted", f"all {count} networks refused, one for each thing undeclared"
    )


class _Asked:
    """The backend, with a note of what it was asked."""

    def __init__(self, lab: Lab) -> None:
        self.name, self.lab = lab.backend.name, lab
        self.calls: list[str] = []

    def targets(self) -> Any:
        return self.lab.backend.targets()

    def lower(self, net: Any, target: Any) -> Any:
        self.calls.append("lower")
        return self.lab.backend.lower(net, target)

    def open(self, executable: Any, *, chips: Any, ids: Any, seed: int) -> Any:
        self.calls.append("open")
        return self.lab.backend.open(executable, chips=chips, ids=ids, seed=seed)


@check("approximations-named", group="interface")
def approximations_named(lab: Lab) -> Evidence:
    """Where the network that will run differs from the one described, the report names it: every difference lies at, or
    below, the path of an approximation."""
    wrong, count = [], 0
    for example in examples.declared(lab):
        count += 1
        executable = compile(example.net, example.target, plugin=lab.backend)
        for path in differences("", executable.source, executable.network):
            if not _named(path, executable.report.approximations):
                wrong.append(f"{example.what}: {path} is changed in silence")
    return tally(wrong, count, "changed in silence", f"{count} networks run as described, or say where not")


def differences(path: str, before: Any, after: Any) -> Iterator[str]:
    """The paths at which two descriptions differ."""
    if isinstance(before, Model) and type(before) is type(after):
        for name in type(before).model_fields:
            yield from differences(f"{path}.{name}".lstrip("."), getattr(before, name), getattr(after, name))
    elif isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        for k, (one, two) in enumerate(zip(before, after, strict=True)):
            owner = getattr(one, "name", None)
            yield from differences(f"{path}.{owner}" if owner else f"{path}[{k}]", one, two)
    elif isinstance(before, np.ndarray) or isinstance(after, np.ndarray):
        if not np.array_equal(np.asarray(before), np.asarray(after)):
            yield path
    elif before != after:
        yield path


def _named(path: str, findings: Sequence[Diagnostic]) -> bool:
    """Whether a finding lies at ``path``, above it, or (where all of it is replaced) below it."""
    plain = _plain(path)
    return any(plain.startswith(_plain(f.path)) or _plain(f.path).startswith(plain) for f in findings)


def _plain(path: str) -> str:
    return path.replace(".neuron", "").replace("[0]", "").replace(".values", "").replace(".weights.weight", ".weights")


def tally(wrong: Sequence[str], count: int, what: str, good: str) -> Evidence:
    """Evidence from a list of flaws: none is allowed."""
    reason = good if not wrong else f"{len(wrong)} of {count} {what}: {'; '.join(wrong[:4])}{' ...' * (len(wrong) > 4)}"
    return Evidence(not wrong, reason, float(len(wrong)), 0.0, "flaws")
