"""Calibrated executables: with exact corrections a chip is the ideal chip, and nobody else's corrections are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import salhw
from salhw import GLM, SAL, CalibrationError, Executable, Network, Population, Projection, Spikes, Target, Weights
from salhw.description.fields import FloatArray
from salhw.session.backend import Exporter
from salhw.session.calibration import Map
from salhw.session.paths import addresses
from salhw.substrate.capabilities import Range

PLAIN = salhw.target("reference")
TARGET = PLAIN.with_variability({"weight": 0.2, "bias": 0.3})
CHIPS = TARGET.sample_chips(5, seed=3)
WEIGHTS, BIAS, RATE = "projections.p.weights", "populations.n.bias", "projections.p.plasticity.learning_rate"
NET = Network(
    name="four",
    dt=1.0,
    populations=[Population(name="n", size=4, neuron=GLM(bias=[-0.5, 0.0, 0.2, -0.2]))],
    projections=[
        Projection(
            name="p", pre="n", post="n", weights=0.8 * (1.0 - np.eye(4)), plasticity=SAL(0.01, update="every 100 ms")
        )
    ],
    probes=[Spikes("n"), Weights("p", every=500.0)],
)


@dataclass(frozen=True)
class Known:
    """The true fixed pattern of the reference's chips, as a calibration; it never saw chip 4."""

    target: str = TARGET.name
    target_hash: str = TARGET.content_hash
    wafer: int = 3
    ids: tuple[int, ...] = (0, 1, 2, 3)
    content_hash: str = "0123456789abcdef0123"

    @property
    def summary(self) -> Mapping[str, Mapping[str, float]]:
        return {"weight": {"yield": 1.0, "before": 0.2, "after": 0.0}}

    def maps(self, executable: Executable, ids: Sequence[int]) -> Mapping[str, Map]:
        chips = [CHIPS[i] for i in ids]
        place, net = executable.placement, executable.network
        gain = np.ones((len(chips), 4, 4))
        off = ~np.eye(4, dtype=bool)
        gain[:, off] = [c.vary("weight", np.ones(12), place.synapses(net, "p")) for c in chips]
        offset = np.array([c.vary("bias", np.zeros(4), place.neurons(net, "n")) for c in chips])
        maps = {path: Map(gain, np.zeros_like(gain), gain) for path in (WEIGHTS, RATE)}
        return maps | {BIAS: Map(np.ones_like(offset), offset, np.ones_like(offset))}


def calibrated(target: Target = TARGET, net: Network = NET, **changes: Any) -> Executable:
    known = Known(target.name, target.content_hash, **changes)
    return salhw.compile(net, target, calibration=known)


def course(executable: Executable, chips: Sequence[salhw.Chip]) -> tuple[salhw.Recording, dict[str, FloatArray]]:
    with executable.open(chips=chips, seed=5) as session:
        session.run(1_500.0)
        session.set(WEIGHTS, 1.1 * session.get(WEIGHTS))
        session.set(BIAS, 0.1)
        recording = session.run(3_000.0)
        return recording, {path: session.get(path) for path in addresses(NET, TARGET)}


def test_with_exact_corrections_a_chip_is_the_ideal_chip_spike_by_spike_while_it_learns() -> None:
    ideal, held = course(salhw.compile(NET, PLAIN), PLAIN.sample_chips(4, seed=3))
    recording, values = course(calibrated(), CHIPS[:4])
    np.testing.assert_array_equal(recording.spikes["n"].time, ideal.spikes["n"].time)
    np.testing.assert_array_equal(recording.spikes["n"].neuron, ideal.spikes["n"].neuron)
    for path, value in held.items():
        np.testing.assert_allclose(values[path], value, rtol=0, atol=1e-12, err_msg=path)
    trace, ideals = recording.weight_traces["p"], ideal.weight_traces["p"]
    assert np.ptp(ideals.values[:, :, 0, 1], axis=1).min() > 0.01  # they learn
    np.testing.assert_allclose(trace.values, ideals.values, rtol=0, atol=1e-12)
    assert recording.provenance["calibration"] == Known().content_hash
    plain, _ = course(salhw.compile(NET, TARGET), CHIPS[:4])
    assert not np.array_equal(plain.counts["n"], ideal.counts["n"])


def test_each_chip_has_its_own_corrections_in_any_order() -> None:
    exe = calibrated()
    together, alone = course(exe, [CHIPS[2], CHIPS[0]]), course(exe, [CHIPS[2]])
    np.testing.assert_array_equal(together[0].counts["n"][0], alone[0].counts["n"][0])
    np.testing.assert_array_equal(together[1][WEIGHTS][0], alone[1][WEIGHTS][0])


def test_other_chips_and_other_targets_are_refused() -> None:
    exe = calibrated()
    with pytest.raises(CalibrationError, match=r"SAL811 calibration.chips = chip 4 of wafer 3: chips 0, 1, 2, 3 of wa"):
        exe.open(chips=CHIPS)
    with pytest.raises(CalibrationError, match="chip 0 of wafer 0"):
        exe.open()
    with pytest.raises(CalibrationError, match=r"SAL811 calibration\.target = reference: the target 'reference' as it"):
        salhw.compile(NET, TARGET.with_variability({"weight": 0.1}), calibration=Known())
    with pytest.raises(CalibrationError, match=r"calibration\.target = reference: the target 'nest'"):
        salhw.compile(NET, TARGET, calibration=Known(target="nest"))


def narrow() -> Target:
    """With a chip's range and steps of weights."""
    return TARGET.replace(weight_bits=7, projections=TARGET.projections | {"weights": Range(min=-1.26, max=1.26)})


def test_corrections_end_at_the_limits_and_the_report_says_how_many() -> None:
    target = narrow()
    strong = NET.replace(
        projections=[NET.projections[0].replace(weights=1.2 * (1.0 - np.eye(4)), plasticity=())], probes=[]
    )

    @dataclass(frozen=True)
    class Weak(Known):
        """All synapses of chip 1 have half their strength, negative ones three quarters."""

        def maps(self, executable: Executable, ids: Sequence[int]) -> Mapping[str, Map]:
            above, below = (np.ones((len(ids), 4, 4)) for _ in range(2))
            above[np.array(ids) == 1], below[np.array(ids) == 1] = 0.5, 0.75
            return {WEIGHTS: Map(above, np.zeros_like(above), below)}

    exe = salhw.compile(strong, target, calibration=Weak(target.name, target.content_hash))
    (written,) = (entry for name, entry in exe.report.as_dict()["calibration"]["corrections"].items())  # type: ignore[index]  # plain data
    assert written["at_limits"] == 12
    assert written["largest"] == pytest.approx(0.06)
    assert written["rms"] == pytest.approx(0.06 / 2)  # one chip of four; the diagonal holds no synapses
    with exe.open(chips=CHIPS[:2]) as session:
        # The reference keeps what is written, to the last digit: a limit, or half of it where half is what acts.
        np.testing.assert_allclose(session.get(WEIGHTS)[:, 0, 1], [1.2, 0.63])
        session.set(WEIGHTS, -0.6)
        np.testing.assert_allclose(session.get(WEIGHTS)[:, 0, 1], -0.6)
        session.set(WEIGHTS, -1.2)
        np.testing.assert_allclose(session.get(WEIGHTS)[:, 0, 1], [-1.2, -0.945])


def test_the_report_names_the_calibration_and_what_it_changes() -> None:
    exe = calibrated()
    told = exe.report.as_dict()["calibration"]
    assert isinstance(told, dict)
    assert (told["hash"], told["wafer"], told["chips"]) == (Known().content_hash, 3, [0, 1, 2, 3])
    off = ~np.eye(4, dtype=bool)
    maps = Known().maps(exe, (0, 1, 2, 3))
    change = 0.8 / maps[WEIGHTS].scale[:, off] - 0.8
    assert told["corrections"]["weights"]["largest"] == pytest.approx(np.abs(change).max())
    assert told["corrections"]["weights"]["rms"] == pytest.approx(np.sqrt((change**2).mean()))
    assert told["corrections"]["bias"]["largest"] == pytest.approx(np.abs(maps[BIAS].shift).max())
    text = str(exe.report)
    assert "calibration 0123456789abcdef of 4 chips of wafer 3" in text
    assert "weight: 100.0% calibrated, spread 0 after 0.2" in text
    assert f"bias corrected by at most {np.abs(maps[BIAS].shift).max():.3g}" in text
    plain = salhw.compile(NET, TARGET).report
    assert plain.as_dict()["calibration"] is None
    assert "calibration" not in str(plain)


def test_what_does_not_fit_is_refused_as_always() -> None:
    with calibrated().open(chips=CHIPS[:2]) as session:
        with pytest.raises(salhw.SessionError, match="SAL403"):
            session.set(WEIGHTS, np.ones((3, 4, 4)))
        with pytest.raises(salhw.SessionError, match="SAL402"):
            session.get("nothing")
    with pytest.raises(salhw.SessionError, match="SAL405"):
        session.run(10.0)


@pytest.mark.parametrize("name", ["nest", "brainscales2", "loihi2"])
def test_an_export_does_not_drop_a_calibration(name: str, tmp_path: Path) -> None:
    target = salhw.target(name)
    still = NET.replace(projections=[NET.projections[0].replace(plasticity=())], probes=[Spikes("n")])
    executable = replace(salhw.compile(still, target), calibration=Known(target.name, target.content_hash))
    assert isinstance(executable.plugin, Exporter)
    with pytest.raises(CalibrationError, match="SAL608 calibration"):
        executable.plugin.export(executable, tmp_path, duration=10.0, seed=0)
    assert not any(tmp_path.iterdir())
