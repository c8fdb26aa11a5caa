"""Every public function and method takes what it should and answers anything else with one clear SalhwError.

Wrong kinds of values (None, text, numbers, lists, arrays, things that Python itself refuses to write out) and wrong
names go through everything in ``salhw.__all__`` and ``salhw_calibration.__all__``, a session, a recording, a target and
a chip. A call may succeed where the value happens to be right; otherwise it raises a SalhwError with a diagnostic that
has a code and a path, is short, and can be printed. Only for wrong signatures, and keys that no dictionary takes,
Python speaks.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fuzz_descriptions as fuzz
import numpy as np
import pytest

import salhw
import salhw_calibration as measure
from salhw import (
    GLM,
    LIF,
    SAL,
    AllToAll,
    Alpha,
    Chip,
    Clamp,
    Current,
    Dense,
    Hebbian,
    Membrane,
    Network,
    OneToOne,
    Poisson,
    Population,
    Projection,
    Recording,
    Rectangular,
    SalhwError,
    Sparse,
    SpikeTimes,
    Target,
    UnknownNameError,
    Variability,
    WakeSleep,
    Weights,
)

NET = Network(
    name="pair", dt=1.0,
    populations=[Population("s", 2, salhw.Source()), Population("n", 2, GLM(bias=0.3, tau_ref=10.0))],
    projections=[Projection("p", "s", "n", [[1.0, 0.0], [0.0, 1.0]], plasticity=SAL(0.05))],
    stimuli=[Poisson("s", 80.0)],
    probes=[salhw.Spikes("n"), Membrane("n"), Weights("p", 5.0), salhw.StateOccupancy("n")],
)  # fmt: skip
REF = salhw.target("reference")
EXE = salhw.compile(NET, REF)
CHIP = REF.sample_chips(1)[0]
TARGETS = salhw.targets()
WRONG: list[Any] = [
    None, 3, -1, 1.5, float("nan"), float("inf"), "nope", b"x", "", True, [], {}, (), [1, "a"], {"a": 1}, object(),
    np.array([1, 2]), np.array("x"), 10**400, 10**5000, int, np.int64(3), "\ud800", "²", "9" * 5000, "-1", "x\0y",
    "a" * 100_000,
    [[1], [1, 2]], 1j, np.float32(2.5), {1: 2}, set(), Ellipsis, lambda: 0,
]  # fmt: skip
Act = Callable[[Any], object]


def option(target: str, name: str) -> Act:
    return lambda v: salhw.problems(NET, TARGETS[target].with_options(**{name: v}))


def few(v: Any) -> Any:
    """Not so many that they take a machine's memory, which is another matter."""
    return 1 if isinstance(v, int) and v > 1000 else v


FUNCTIONS: dict[str, Act] = {
    "load": salhw.load, "target": salhw.target, "explain": salhw.explain, "compile": lambda v: salhw.compile(v, REF),
    "compile target": lambda v: salhw.compile(NET, v), "calibration": lambda v: salhw.compile(NET, REF, calibration=v),
    "plugin": lambda v: salhw.compile(NET, REF, plugin=v), "problems": lambda v: salhw.problems(v, REF),
    "problems target": lambda v: salhw.problems(NET, v),
    "problems plugin": lambda v: salhw.problems(NET, REF, plugin=v),
    "run": lambda v: salhw.run(v, duration=1.0), "run target": lambda v: salhw.run(NET, v, duration=1.0),
    "run duration": lambda v: salhw.run(NET, duration=v), "run seed": lambda v: salhw.run(NET, duration=1.0, seed=v),
    "run instances": lambda v: salhw.run(NET, duration=1.0, instances=few(v)),
    "run chips": lambda v: salhw.run(NET, duration=1.0, chips=v), "open chip": lambda v: EXE.open(chips=[v]).close(),
    "open instance": lambda v: EXE.open(instances=[v]).close(),
    **{f"{name} {key}": option(name, key) for name, target in TARGETS.items() for key in target.options},
}  # fmt: skip
OBJECTS: dict[str, Act] = {
    "population": NET.population, "projection": NET.projection, "ends": NET.ends, "validate": Network.model_validate,
    "save": NET.save, "variability": REF.with_variability, "spread": lambda v: REF.with_variability({"weight": v}),
    "noise": lambda v: REF.with_noise(mismatch=v), "scaled_for": REF.scaled_for, "sample": REF.sample_chips,
    "from_toml": Target.from_toml,
    "wafer": lambda v: REF.sample_chips(1, v), "options": lambda v: REF.replace(options=v),
    "capability": lambda v: REF.replace(neurons={"GLM": {"bias": v}}), "bits": lambda v: REF.replace(weight_bits=v),
    "normal": lambda v: CHIP.standard_normal(v, 0), "location": lambda v: CHIP.standard_normal("a", v),
    "chip spread": CHIP.spread, "vary": lambda v: CHIP.vary(v, 1.0, 0), "nominal": lambda v: CHIP.vary("weight", v, 0),
    "place": lambda v: CHIP.vary("weight", 1.0, v), "chip id": lambda v: Chip(id=v, target="reference"),
    "chip wafer": lambda v: Chip(id=0, wafer=v, target="reference"), "chip target": lambda v: Chip(id=0, target=v),
    "chip variability": lambda v: Chip(id=0, target="reference", variability=v), "sd": lambda v: Variability(sd=v),
    "SAL": SAL, "tau": lambda v: SAL(0.1, v), "bounds": lambda v: SAL(0.1, bounds=v),
    "update": lambda v: SAL(0.1, update=v),
    "pairing": lambda v: Hebbian(0.1, pairing=v), "phase": lambda v: WakeSleep(0.1, phase=v), "Dense": Dense,
    "Sparse": lambda v: Sparse(v, v, v), "OneToOne": OneToOne, "AllToAll": AllToAll,
    "Poisson": lambda v: Poisson("s", v),
    "train": lambda v: SpikeTimes("s", [v]), "trains": lambda v: SpikeTimes("s", v), "Clamp": lambda v: Clamp("n", v),
    "clamped": lambda v: Clamp("n", 1, v), "Current": lambda v: Current("n", v), "every": lambda v: Membrane("n", v),
    "start": lambda v: Poisson("s", 1.0, start=v), "kernel": Rectangular, "area": lambda v: Alpha(area=v),
    "GLM": GLM, "tau_ref": lambda v: GLM(tau_ref=v), "LIF": lambda v: LIF(v_thresh=v),
    "name": lambda v: NET.replace(name=v),
    "discretisation": lambda v: GLM(discretisation=v), "size": lambda v: Population("a", v, GLM()),
    "neuron": lambda v: Population("a", 1, v), "weights": lambda v: Projection("a", "s", "n", v),
    "rule": lambda v: Projection("a", "s", "n", [[1.0]], plasticity=v), "dt": lambda v: NET.replace(dt=v),
    "populations": lambda v: NET.replace(populations=v), "a projection": lambda v: NET.replace(projections=[v]),
    "shape": Rectangular(1.0).shape, "sample dt": lambda v: Alpha().sample(v, 3),
    "steps": lambda v: Alpha().sample(0.1, few(v)),
    "window": SAL(0.1).causal.shape,
}  # fmt: skip


def silly(v: Any) -> Any:
    """A whole number may be right, and then a measurement is made."""
    return -1 if isinstance(v, int | np.integer) else v


MEASURING: dict[str, Act] = {
    "effective": lambda v: measure.effective_weights(v, duration=10.0),
    "effective duration": lambda v: measure.effective_weights(EXE, duration=silly(v)),
    "method": lambda v: measure.effective_weights(EXE, duration=10.0, method=v),
    "through": lambda v: measure.effective_weights(EXE, duration=10.0, through=[v]),
    "through all": lambda v: measure.effective_weights(EXE, duration=10.0, through=v),
    "state": lambda v: measure.effective_weights(EXE, duration=10.0, weights={"p": v}),
    "states": lambda v: measure.effective_weights(EXE, duration=10.0, weights=v),
    "measured seed": lambda v: measure.effective_weights(EXE, duration=10.0, seed=silly(v)),
    "transfer": lambda v: measure.transfer_functions(v, duration=10.0),
    "levels": lambda v: measure.transfer_functions(EXE, duration=100.0, levels=v),
    "potentials": lambda v: measure.postsynaptic_potentials(v, duration=10.0),
    "sensors": lambda v: measure.correlation_sensors(v, duration=10.0),
    "own lags": lambda v: measure.own_lags(v, duration=10.0), "load calibration": measure.Calibration.load,
    "calibrated target": lambda v: measure.calibrate(v, [CHIP]),
    "calibrated chips": lambda v: measure.calibrate(REF, v),
    "goals": lambda v: measure.calibrate(REF, [CHIP], v),
    "rounds": lambda v: measure.calibrate(REF, [CHIP], rounds=silly(v)),
    "calibrated net": lambda v: measure.calibrate(REF, [CHIP], net=0 if v is None else v),
    "calibrated sensors": lambda v: measure.calibrate_sensors(REF, [CHIP], v),
    "activity": lambda v: measure.through_interneurons(1.0, 1.0, 1.0, 0.0, v),
}  # fmt: skip


def answer(name: str, act: Act, value: Any) -> list[str]:
    """What is wrong with how a call with a wrong value ends."""
    what = "a huge number" if isinstance(value, int) and abs(value) > 10**20 else f"{value!r:.40}"
    try:
        act(value)
    except SalhwError as error:
        return [f"{name}({what}): {flaw}" for flaw in fuzz.unclear(error)]
    except Exception as error:
        return [f"{name}({what}): {type(error).__name__} {error}"[:200]]
    return []


def wrong(acts: dict[str, Act]) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return [flaw for name, act in acts.items() for value in WRONG for flaw in answer(name, act, value)]


def test_functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wrong(FUNCTIONS) == []


def test_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wrong(OBJECTS) == []


def test_measuring() -> None:
    assert wrong(MEASURING) == []


def test_sessions_and_recordings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EXE.open() as session:
        recording = session.run(20.0)
        trains = recording.spikes["n"]
        acts: dict[str, Act] = {
            "get": session.get, "set": lambda v: session.set(v, 1.0), "run": lambda v: session.run(v),
            "progress": lambda v: session.run(1.0, progress=v if not callable(v) else None), "times": trains.times,
            "instance": lambda v: trains.times(0, v), "save": recording.save, "load": Recording.load,
            **{path: lambda v, p=path: session.set(p, v) for path in (  # type: ignore[misc]
                "projections.p.weights", "populations.n.bias", "projections.p.plasticity.learning_rate",
                "projections.p.plasticity.causal.amplitude",
            )},
            **{name: getattr(recording, name).__getitem__
               for name in ("counts", "spikes", "rates", "membrane", "weights", "state_occupancy")},
        }  # fmt: skip
        assert wrong(acts) == []


@pytest.mark.parametrize(
    ("act", "path", "nearest"),
    [
        (lambda: REF.with_options(algoritm="auto"), "target.options.algoritm", "algorithm"),
        (lambda: TARGETS["nest"].with_options(thraeds=2), "target.options.thraeds", "threads"),
        (lambda: REF.with_variability({"wieght": 0.1}), "variability.wieght", "weight"),
        (lambda: REF.with_noise(mismach=False), "noise.mismach", "mismatch"),
        (lambda: salhw.target("refrence"), "target", "reference"),
        (lambda: salhw.compile(NET, "nset"), "target", "nest"),
        (lambda: NET.replace(populations=[Population("neurons", 1, GLM())], projections=(), stimuli=(), probes=())
         .population("neuron"), "population", "neurons"),
        (lambda: measure.effective_weights(EXE, duration=1.0, method="liklihood"), "method", "likelihood"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)  # fmt: skip
def test_a_misspelt_name_brings_the_nearest(act: Callable[[], object], path: str, nearest: str) -> None:
    with pytest.raises(SalhwError) as caught:
        act()
    (finding,) = caught.value.diagnostics
    assert (finding.path, finding.fix) == (path, f"did you mean {nearest}?")


def test_what_was_not_recorded_says_how_to_record_it() -> None:
    recording = salhw.run(NET, duration=5.0)
    with pytest.raises(UnknownNameError, match=r"recording\.spikes.*one of n\n.*Spikes\('s'\)") as caught:
        recording.spikes["s"]
    assert isinstance(caught.value, KeyError)
    assert "s" not in recording.spikes
    assert recording.spikes.get("s") is None
    with pytest.raises(SalhwError, match=r"SAL003 neuron = 99: a whole number 0\.\.1"):
        recording.spikes["n"].times(99)


@pytest.mark.parametrize("duration", ["5", None, True, [1.0], float("nan"), -1.0, 0, 1.5, 1e300, 10**400])
@pytest.mark.parametrize("name", ["reference", "nest", "brainscales2", "loihi2"])
def test_what_is_no_duration_is_refused_alike(name: str, duration: Any) -> None:
    """And a duration that the fix gives is taken."""
    target = TARGETS[name].with_options(execution="in-process") if name == "loihi2" else TARGETS[name]
    net = NET.replace(projections=(), probes=())
    with salhw.compile(net, target).open() as session:
        with pytest.raises(salhw.SessionError, match="SAL404 duration") as caught:
            session.run(duration)
        fix = caught.value.diagnostics[0].fix
        assert session.time == 0.0
        if fix.startswith("duration") and len(fix) < 20:
            assert session.run(float(fix.split()[2])).duration > 0.0
