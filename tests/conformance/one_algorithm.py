"""The reference as a target with one of its algorithms alone, which declares no more than that has."""

from __future__ import annotations

from collections.abc import Mapping

import salhw
from salhw.description.kinds import Kind
from salhw.description.markers import structure
from salhw.description.plasticity import PlasticityRule
from salhw.description.probes import Probe
from salhw.description.stimuli import Stimulus
from salhw.substrate.capabilities import Capability

STEPPED = {"Membrane", "SynapseVariable", "Variable"}
"""Probes that sample at every step."""


def target(algorithm: str) -> salhw.Target:
    """The reference with one algorithm, declaring no more than that has."""
    full = salhw.target("reference").with_options(algorithm=algorithm)
    if algorithm in ("auto", "time-driven"):
        return full
    bare = without_traces(full)
    if algorithm == "vectorised":
        return bare
    return bare.replace(
        kernels={"Rectangular": full.kernels["Rectangular"]},
        neurons={name: fields for name, fields in full.neurons.items() if name in ("GLM", "Source")},
        probes={name: fields for name, fields in bare.probes.items() if name not in STEPPED},
        projections={name: entry for name, entry in full.projections.items() if name != "e_rev"},  # of LIF neurons
    )


def without_traces(full: salhw.Target) -> salhw.Target:
    """A target that declares no traces, nor any kind that names one."""

    def left(group: type[Kind], declared: Mapping[str, Capability]) -> dict[str, Capability]:
        kinds = {name: structure(group.members[name]) for name in declared}
        return {name: declared[name] for name in kinds if all(m.names != "trace" for _, m in kinds[name])}

    return full.replace(
        averages={}, plasticity=left(PlasticityRule, full.plasticity), stimuli=left(Stimulus, full.stimuli),
        probes=left(Probe, full.probes),
    )  # fmt: skip
