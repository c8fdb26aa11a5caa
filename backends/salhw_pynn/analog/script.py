"""An executable as files for the real chip: a pynn_brainscales script, the C++ kernels of its plasticity, a README.

None of the chip's software can be installed from a package index, so of these files only the kernels are ever run here
(against headers of ours, bit for bit); the script is held to the public interface as text.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from salhw.compile.executable import Executable
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError
from salhw.fields import FloatArray, IntArray
from salhw.network import Network, Population
from salhw.neurons import GLM, LIF, Source
from salhw.paths import Address, described, duration_steps
from salhw.stimuli import SpikeTimes
from salhw_pynn.analog.circuit import circuit
from salhw_pynn.analog.hybrid import SENSITIVITY, code, nominal_program, plastic, too_large
from salhw_pynn.analog.membrane import (
    CURRENT,
    EVENT,
    EVENTS,
    LSB_PER_GAP,
    LSB_PER_SIGMA,
    RESET,
    continuous,
    leak,
)
from salhw_pynn.analog.placement import rows
from salhw_pynn.analog.session import entropy
from salhw_pynn.analog.sources import Emitter
from salhw_pynn.hardware.kernel import kernel
from salhw_pynn.hardware.program import LSB

SCRIPT, ARRAYS, README = "run.py", "network.npz", "README.md"
THRESHOLD = 135.0
"""Converter LSB of the thresholds of sampling neurons."""
PER_GENERATOR = 25
"""Sources of 5 MHz that one background generator of 125 MHz feeds."""


def export(executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
    """Write script, arrays, kernels and README: instance 0 of a session with this seed, for a real chip.

    Raises:
        UnsupportedNetworkError: neurons that are forced to spike, or plasticity beyond the processor's memory.
    """
    net = executable.network
    kernels = {
        name: nominal_program(net, executable.target, executable.placement, name, entropy(seed, [0]))
        for name in plastic(net)
    }
    if wrong := [*_forced(net), *too_large(kernels)]:
        headline = f"UnsupportedNetworkError: {net.name!r} cannot be exported to a real chip"
        raise UnsupportedNetworkError(headline, wrong)
    arrays = _arrays(executable, duration_steps(net, duration), seed)
    written = []
    for name, program in kernels.items():
        written.append(directory / f"plasticity_{name}.cpp")
        written[-1].write_text(kernel(program), encoding="utf-8")
    script, data, readme = directory / SCRIPT, directory / ARRAYS, directory / README
    script.write_text("\n".join(_lines(executable, duration)) + "\n", encoding="utf-8")
    np.savez(data, **arrays)
    readme.write_text(_readme(executable, duration), encoding="utf-8")
    return [script, data, *written, readme]


def _forced(net: Network) -> list[Diagnostic]:
    return [
        Diagnostic("SAL101", f"stimuli[{k}]", "spikes that neurons are forced to", "supported for sources on a chip",
                   "drive a Source population that is connected to them")
        for k, s in enumerate(net.stimuli)
        if isinstance(s, SpikeTimes) and not isinstance(net.population(s.population).neuron, Source)
    ]  # fmt: skip


def potentials(net: Network, population: Population) -> dict[str, FloatArray]:
    """Calibration targets: ``v_rest``, ``v_reset``, ``v_thresh`` in converter LSB, one per neuron."""
    neuron = population.neuron
    assert isinstance(neuron, GLM | LIF)
    bias = described(net, Address("", population.name, "bias", (population.size,)))
    if isinstance(neuron, GLM):
        rest = THRESHOLD + LSB_PER_SIGMA * leak(continuous(neuron, bias, net.dt))
        thresh, reset = THRESHOLD, THRESHOLD - LSB_PER_SIGMA * RESET
    else:
        lsb = LSB_PER_GAP / (neuron.v_thresh - neuron.v_reset)
        reset = 60.0 if neuron.v_rest >= neuron.v_reset else 140.0
        thresh = reset + LSB_PER_GAP
        rest = reset + lsb * (neuron.v_rest + bias - neuron.v_reset)  # a constant current is a shift of the leak
    whole = {"v_rest": np.clip(rest, 50, 160), "v_reset": np.full(population.size, reset),
             "v_thresh": np.full(population.size, thresh)}  # fmt: skip
    return {name: np.rint(value) for name, value in whole.items()}


def _arrays(executable: Executable, steps: int, seed: int) -> dict[str, Any]:
    net, chips = executable.network, executable.target.sample_chips(1)
    wiring = circuit(net, executable.placement, chips).wiring
    arrays: dict[str, Any] = {}
    for p in net.populations:
        if isinstance(p.neuron, Source):
            raster = Emitter(net, p.name, entropy(seed, [0])).spikes(0, steps)
            order = np.lexsort((raster.step, raster.neuron))
            arrays[f"{p.name}.times"] = (raster.step[order] + 1) * net.dt / (executable.target.speed_up or 1.0)
            arrays[f"{p.name}.ends"] = np.searchsorted(raster.neuron[order], np.arange(1, p.size))
        else:
            arrays |= {f"{p.name}.{name}": value for name, value in potentials(net, p).items()}
    for q in net.projections:
        w, step = wiring[q.name], code(executable.target.on(q.name))
        shape = (len(w.position),) if q.weights.kind in ("Sparse", "OneToOne") else net.ends(q.name)[:2]
        weights = described(net, Address("", q.name, "weights", shape)).ravel()[w.position]
        arrays |= {f"{q.name}.pre": w.pre, f"{q.name}.post": w.post, f"{q.name}.code": _codes(weights, step)}
    return arrays


def _code_onto(executable: Executable, population: str) -> float:
    """The weight of one code of the synapses of a population, which all have the same."""
    onto = [q.name for q in executable.network.projections if q.post == population]
    return code(executable.target.on(onto[0]) if onto else executable.target)


def _codes(weights: FloatArray, step: float) -> IntArray:
    return np.clip(np.rint(weights / step), -63, 63).astype(np.int64)


def _lines(executable: Executable, duration: float) -> list[str]:
    net, speed = executable.network, executable.target.speed_up or 1.0
    made = circuit(net, executable.placement, [c.replace(variability={}) for c in executable.target.sample_chips(1)])
    lines = [
        f'"""{net.name}, for BrainScaleS-2 through pynn_brainscales. Written by salhw; runs without it.',
        "",
        *str(executable.report).splitlines(),
        '"""',
        "",
        files("salhw_pynn.analog").joinpath("templates/run.py.txt").read_text(encoding="utf-8").strip(),
        "",
        f'arrays = np.load(HERE / "{ARRAYS}")',
        "pynn.setup()",
        "populations = {}",
    ]
    for p in net.populations:
        if isinstance(p.neuron, Source):
            lines.append(f'populations["{p.name}"] = sources("{p.name}", {p.size})')
            continue
        cells = made.cells[p.name]
        taus = {"tau_m": cells.tau_m.flat[0], "tau_syn_E": cells.tau_syn.flat[0], "tau_syn_I": cells.tau_syn.flat[0],
                "tau_refrac": cells.refractory}  # fmt: skip
        words = ", ".join(f"{name}={1000.0 * tau / speed:g}" for name, tau in taus.items())  # us
        lines.append(f'populations["{p.name}"] = neurons("{p.name}", {p.size}, {words})')
        if isinstance(p.neuron, GLM):
            rate = 1000.0 * EVENTS / p.neuron.tau_ref * speed
            weight = round(EVENT / (CURRENT * _code_onto(executable, p.name)))
            words = f"rate={rate:g}, weight={weight}, at_most={PER_GENERATOR}"
            lines.append(f'background(populations["{p.name}"], {words})')
    lines += ["", "projections = {}"]
    for q in net.projections:
        call = f'"{q.name}", populations["{q.pre}"], populations["{q.post}"]'
        rule = "None"
        if q.plasticity:
            period = (q.plasticity[0].period or 0.0) / speed
            rule = f'Kernel("plasticity_{q.name}.cpp", period={period:g}, count={int(duration / speed / period)})'
        lines.append(f'projections["{q.name}"] = connect({call}, {rule})')
    recorded = [p.name for p in net.populations if not isinstance(p.neuron, Source)]
    return [
        *lines,
        "",
        f"for name in {recorded!r}:",
        '    populations[name].record(["spikes"])',
        f"pynn.run({duration / speed:g})  # ms of hardware time",
        "result = {}",
        f"for name in {recorded!r}:",
        '    trains = populations[name].get_data("spikes").segments[0].spiketrains',
        "    for k, train in enumerate(trains):",
        f'        result[f"{{name}}.{{k}}"] = np.asarray(train.magnitude) * {speed:g}  # ms of biological time',
        'np.savez(HERE / "result.npz", **result)',
        "pynn.end()",
    ]


def _readme(executable: Executable, duration: float) -> str:
    net, speed = executable.network, executable.target.speed_up or 1.0
    placed = rows(net, executable.placement)
    targets = []
    for p in net.populations:
        if not isinstance(p.neuron, Source):
            ends = {name: f"{v.min():g}..{v.max():g}" for name, v in potentials(net, p).items()}
            lift = f"{CURRENT * _code_onto(executable, p.name) * LSB_PER_SIGMA:.2f}"
            targets.append(f"| `{p.name}` | {ends['v_rest']} | {ends['v_reset']} | {ends['v_thresh']} | {lift} |")
    learned = []
    for name in plastic(net):
        (rule,) = net.projection(name).plasticity
        learned.append(
            f"  - `{name}`: {SENSITIVITY:g} LSB per pair at distance 0 and {1000 * rule.causal.tau / speed:g} us on "
            f"both branches; an update every {1000 * (rule.period or 0.0) / speed:g} us"
        )
    text = Template(files("salhw_pynn.analog").joinpath("templates/README.md.txt").read_text(encoding="utf-8"))
    return text.substitute(
        name=net.name,
        duration=f"{duration / speed:g}",
        biological=f"{duration:g}",
        targets="\n".join(targets),
        learned="\n".join(learned) or "  - nothing learns",
        rows=f"{2 * placed.used[0]} and {2 * placed.used[1]}",
        unit=f"1/{LSB}",
        report="\n".join(f"    {line}" for line in str(executable.report).splitlines()),
    )
