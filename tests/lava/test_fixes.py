"""Every fix of a refusal, when followed, is accepted: random networks over the declared ranges, mended by their own
diagnostics until nothing is left to mend."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lava_examples import MODELS, in_process

import salhw
from salhw import Diagnostic, Network, Target

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))
from random_networks import random_network

ROUNDS = 12
LIMIT = re.compile(r"(\w+) (<=|>=|=) (-?[\d.e+-]+)")


def mended(net: Network, finding: Diagnostic) -> Network:
    """The network with what the finding's fix says; the path leads to the field."""
    if finding.fix == "force spikes of GLM neurons or sources":
        at = int(finding.path[len("stimuli[") : -1])
        return net.replace(stimuli=[s for k, s in enumerate(net.stimuli) if k != at])
    data = net.model_dump()
    kind, name, *fields = finding.path.split(".")
    place = next(item for item in data[kind] if item["name"] == name)
    if finding.fix == "one rule per projection":
        place["plasticity"] = place["plasticity"][:1]
        return Network.model_validate(data)
    found = LIMIT.match(finding.fix)
    assert found, f"no limit in {finding}"
    if kind == "populations":
        place = place["neuron"]
    for field in fields[:-1]:
        place = place[field][0] if field == "plasticity" else place[field]
    assert found[1] == fields[-1], finding
    changed(place, fields[-1], found[2], float(found[3]))
    return Network.model_validate(data)


def changed(place: dict[str, Any], field: str, sign: str, limit: float) -> None:
    value = np.asarray(place[field], dtype=float)
    new = {"<=": np.minimum(value, limit), ">=": np.maximum(value, limit), "=": np.full_like(value, limit)}[sign]
    assert np.any(new != value), f"{field} {sign} {limit} holds already"
    place[field] = new if value.ndim else float(new)


def mend(net: Network, target: Target) -> int:
    """How many rounds it takes."""
    for count in range(ROUNDS):
        findings = salhw.problems(net, target)
        if not findings:
            return count
        places: set[str] = set()
        for finding in sorted(findings, key=lambda f: f.path, reverse=True):  # later stimuli first: they are counted
            if finding.path not in places:
                net = mended(net, finding)
            places.add(finding.path)
    raise AssertionError(f"still refused: {[str(f) for f in findings]}")


@pytest.mark.parametrize("model", MODELS)
def test_every_fix_when_followed_is_accepted(model: str) -> None:
    """A fix says what to change, and where; a network that follows all of them has to be taken, the later fixes for
    what the earlier ones uncovered. Out of 60 networks most need some."""
    target = in_process(MODELS[model])
    rounds = [mend(random_network(target, np.random.default_rng(seed)), target) for seed in range(600)]
    assert sum(r > 0 for r in rounds) > 20
