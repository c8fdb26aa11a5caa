"""An executable as files for the real chip: a pynn_brainscales script, the C++ of its plasticity, a README.

None of the chip's software can be installed from a package index. Here the C++ is run against headers of ours, bit
for bit, and the script against a stand-in that refuses what the real interface refuses.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from salhw.description.connectivity import count
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.neurons import AdEx
from salhw.description.parts import Projection, rule_name
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError
from salhw.session.executable import Executable
from salhw.session.folding import reference_phase
from salhw.session.paths import described_at, duration_steps
from salhw.session.recorder import ascending
from salhw.session.reference_phase import phase_times
from salhw_brainscales2.cell import LEAK_LSB, Cell, Membranes
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.codes import Grid, code
from salhw_brainscales2.hardware.ppu_program import MEMORY, cpp_source, memory
from salhw_brainscales2.hardware.program import LSB
from salhw_brainscales2.neurons import CURRENT, EVENTS, cells
from salhw_brainscales2.placement import rows
from salhw_brainscales2.plasticity import SENSITIVITY, nominal_program, sensor_tau, too_large
from salhw_brainscales2.rules import hosted, plastic
from salhw_brainscales2.sources import Emitter, entropy

SCRIPT, ARRAYS, README = "run.py", "network.npz", "README.md"
GENERATOR = 125e6
"""Events per second of a background generator; a chip has one for each of GENERATORS populations of Poisson sources."""
GENERATORS = 4
LABELS = 256
"""Sources of a generator, at most: a power of two, since its mask of labels is their number less one."""


def export(executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
    """Write script, arrays, C++ and README: instance 0 of a session with this seed, for a real chip.

    Raises:
        UnsupportedNetworkError: what no program for the chip can do: neurons that are forced to spike, synapses onto
            sources, more background than its generators make, plasticity beyond the processor's memory.
    """
    net, steps = executable.network, duration_steps(executable.network, duration)
    programs = {
        name: nominal_program(net, executable.target, executable.placement, name, entropy(seed, [0]))
        for name in _learning(executable, steps)
    }
    if wrong := [*_refused(executable), *too_large(programs)]:
        headline = f"UnsupportedNetworkError: {net.name!r} cannot be exported to a real chip"
        raise UnsupportedNetworkError(headline, wrong)
    arrays = _arrays(executable, steps, seed)
    written = []
    for name, program in programs.items():
        written.append(directory / f"plasticity_{name}.cpp")
        written[-1].write_text(cpp_source(program), encoding="utf-8")
    script, data, readme = directory / SCRIPT, directory / ARRAYS, directory / README
    script.write_text("\n".join(_lines(executable, steps)) + "\n", encoding="utf-8")
    np.savez(data, **arrays)
    data_bytes = sum(memory(program) for program in programs.values())
    readme.write_text(_readme(executable, steps, data_bytes), encoding="utf-8")
    return [script, data, *written, readme]


def _refused(executable: Executable) -> list[Diagnostic]:
    net = executable.network
    return [
        *_forced(net), *_unheard(net), *_hosted(executable), *_unlike(executable), *_out_of_range(net),
        *_background(executable), *_uncalibrated(net),
    ]  # fmt: skip


def _learning(executable: Executable, steps: int) -> dict[str, tuple[int, int]]:
    """The projections that learn in a run: (steps of a period, updates). Without synapses, or in a run shorter than
    the period, there is nothing for the processor to do."""
    net, learning = executable.network, {}
    for name, rule in plastic(net, executable.target).items():
        projection = net.projection(name)
        period = in_steps(rule.period or 0.0, net.dt) or 0
        if steps >= period and _synapses(net, projection):
            learning[name] = period, steps // period
    return learning


def generator(tau_ref: float, speed_up: float) -> tuple[int, float, float]:
    """How a generator makes the background of GLM neurons: (sources that it feeds, the rate in Hz that a population of
    them is given, the rate in Hz that each then has).

    A generator's period is one clock and its rate r of 8 bits: of each clock's events (r + 1) / 256 happen. The
    interface turns the rate of a population into r = 255 * rate * sources / clock.
    """
    wanted = 1000.0 * EVENTS / tau_ref * speed_up
    at_once = min(LABELS, 2 ** int(np.log2(GENERATOR / wanted)))
    bits = int(np.clip(np.rint(256.0 * wanted * at_once / GENERATOR) - 1, 0, 255))
    return at_once, bits * GENERATOR / 255.0 / at_once, (bits + 1) * GENERATOR / 256.0 / at_once


def _forced(net: Network) -> list[Diagnostic]:
    circuits = cells(net)
    return [
        Diagnostic("SAL101", f"stimuli[{k}]", "spikes that neurons are forced to", "supported for sources on a chip",
                   "drive a Source population that is connected to them")
        for k, stimulus in enumerate(net.stimuli)
        if stimulus.population in circuits
    ]  # fmt: skip


def _uncalibrated(net: Network) -> list[Diagnostic]:
    """What the chip has, and its public software neither calibrates nor takes from PyNN."""
    adaptive = [
        Diagnostic("SAL101", f"populations.{p.name}.neuron", p.neuron.kind, "supported CalibHXNeuronCuba on a chip, "
                   "without the exponential and the adaptation term", "LIF neurons, or run it here")
        for p in net.populations
        if isinstance(p.neuron, AdEx)
    ]  # fmt: skip
    return adaptive + [
        Diagnostic("SAL101", f"projections.{q.name}.short_term", q.short_term.kind, "supported StaticSynapse and "
                   "PlasticSynapse on a chip", "leave it out, or run it here")
        for q in net.projections
        if q.short_term is not None
    ]  # fmt: skip


def _unheard(net: Network) -> list[Diagnostic]:
    circuits = cells(net)
    return [
        Diagnostic("SAL101", f"projections.{q.name}", "synapses onto sources", "supported onto neurons on a chip",
                   "leave the projection out: sources hear nothing")
        for q in net.projections
        if q.post not in circuits
    ]  # fmt: skip


def _background(executable: Executable) -> list[Diagnostic]:
    """Whether the generators suffice: each feeds one sign of the background of some neurons of one population."""
    net, free = executable.network, GENERATORS
    for name, cell in cells(net).items():
        if cell.sampling:
            size = net.population(name).size
            at_once, _, _ = generator(cell.tau_ref, executable.target.speed_up or 1.0)
            room, free = free // 2 * at_once, free - 2 * -(-size // at_once)
            if free < 0:
                asked = f"{size} neurons with a background of their own"
                fix = "fewer GLM neurons, or LIF neurons" if room else "fewer populations of GLM neurons"
                return [
                    Diagnostic("SAL201", f"populations.{name}.size", asked, f"{room} available on a real chip", fix)
                ]
    return []


def _hosted(executable: Executable) -> list[Diagnostic]:
    """Rules that nobody works out where salhw is not."""
    net, asked = executable.network, "a rule that the host works out"
    supported, fix = "supported rules of the plasticity processor", "another rule, or run it here"
    return [
        Diagnostic("SAL101", f"projections.{p.name}.{rule_name(p, k)}", asked, supported, fix)
        for p in net.projections
        for k in hosted(p, executable.target)
    ]


def _unlike(executable: Executable) -> list[Diagnostic]:
    """Projections onto one population whose weights mean different currents: its codes all mean the same."""
    net, findings = executable.network, []
    for population, cell in cells(net).items():
        onto = _onto(net, population)
        for q in onto[1:]:
            ratio = np.divide(cell.strength(q.kernel), cell.strength(onto[0].kernel))
            if not np.allclose(ratio, 1.0, rtol=1e-9):
                asked = f"PSPs of {ratio[0]:.3g} times the area of those of {onto[0].name}"
                fix = "the same area for both, and weights that make up for it"
                path, supported = f"projections.{q.name}.kernel", "one area onto a population"
                findings.append(Diagnostic("SAL107", path, asked, supported, fix))
    return findings


def _out_of_range(net: Network) -> list[Diagnostic]:
    findings, (low, high) = [], LEAK_LSB
    for name, cell in cells(net).items():
        rest = potentials(net, name, cell)["v_rest"]
        if rest.min() < low or rest.max() > high:
            path, supported = f"populations.{name}.bias", f"supported {low:g}..{high:g}"
            asked = f"resting potentials of {rest.min():g}..{rest.max():g} LSB"
            findings.append(Diagnostic("SAL104", path, asked, supported, cell.biases_in_range))
    return findings


def potentials(net: Network, population: str, cell: Cell) -> dict[str, FloatArray]:
    """Calibration targets: ``v_rest``, ``v_reset``, ``v_thresh`` in converter LSB, one per neuron."""
    rest, reset, thresh = cell.converter(described_at(net, f"populations.{population}.bias"), net.dt)
    whole = {"v_rest": rest, "v_reset": np.full_like(rest, reset), "v_thresh": np.full_like(rest, thresh)}
    return {name: np.rint(value) for name, value in whole.items()}


def _arrays(executable: Executable, steps: int, seed: int) -> dict[str, Any]:
    net, chips = executable.network, executable.target.sample_chips(1)
    wiring = circuit(net, executable.target, executable.placement, chips).wiring
    arrays: dict[str, Any] = {}
    circuits = cells(net)
    for p in net.populations:
        if p.name in circuits:
            arrays |= {f"{p.name}.{name}": value for name, value in potentials(net, p.name, circuits[p.name]).items()}
            continue
        raster = Emitter(net, p.name, entropy(seed, [0])).spikes(0, steps)
        order = ascending(raster.neuron, raster.step)
        arrays[f"{p.name}.times"] = (raster.step[order] + 1) * net.dt / (executable.target.speed_up or 1.0)
        arrays[f"{p.name}.ends"] = np.searchsorted(raster.neuron[order], np.arange(1, p.size))
    for q in net.projections:
        w, grid = wiring[q.name], Grid.of(executable.target, q.name)
        weights = described_at(net, f"projections.{q.name}.weights").ravel()[w.position]
        arrays |= {f"{q.name}.pre": w.pre, f"{q.name}.post": w.post, f"{q.name}.code": grid.codes(weights)}
    return arrays


def _onto(net: Network, population: str) -> list[Projection]:
    """The projections that bring synapses to a population."""
    return [q for q in net.projections if q.post == population and _synapses(net, q)]


def _synapses(net: Network, projection: Projection) -> int:
    return count(projection.weights, *net.ends(projection.name))


def _strengths(executable: Executable, population: str, cell: Cell) -> FloatArray:
    """The currents of one weight code onto each neuron, excitatory and inhibitory, in units of its membrane: the same
    for all its synapses, (2, neuron)."""
    net, target = executable.network, executable.target
    onto = _onto(net, population)
    current = np.full(2, CURRENT * code(target))
    if onto:
        current = np.array(cell.strength(onto[0].kernel)) * code(target.scaled_for(onto[0].name))
    bias = described_at(net, f"populations.{population}.bias")
    return np.asarray(current[:, None] * cell.sensitivity(bias, net.dt))


def _events(executable: Executable, population: str, cell: Cell) -> tuple[FloatArray, IntArray]:
    """The weight codes of background events of both signs: those that each neuron wants, (2, neuron), and the whole
    ones that all of them get, (2,)."""
    wanted = cell.event / _strengths(executable, population, cell)
    return wanted, np.maximum(1, np.rint(wanted.mean(axis=1))).astype(np.int64)


def _ms(value: float) -> str:
    """A number as code: a tiny error of division does not show."""
    return repr(round(value, 9))


def _lines(executable: Executable, steps: int) -> list[str]:
    net, speed = executable.network, executable.target.speed_up or 1.0
    chips = [c.replace(variability={}) for c in executable.target.sample_chips(1)]
    made = circuit(net, executable.target, executable.placement, chips)
    learning, duration = _learning(executable, steps), steps * net.dt / speed
    lines = [
        f'"""{net.name}, for BrainScaleS-2 through pynn_brainscales. Written by salhw; runs without it.',
        "",
        *str(executable.report).splitlines(),
        '"""',
        "",
        files("salhw_brainscales2").joinpath("templates/run.py.txt").read_text(encoding="utf-8").strip(),
        "",
        "",
        f'arrays = np.load(HERE / "{ARRAYS}")',
        "pynn.setup()",
        "populations = {}",
    ]
    circuits, counted, (phase, every, phases) = cells(net), "", _phases(net, steps) if learning else (0, 0, 0)
    if phase:
        ((name, (period, updates)),) = learning.items()
        updates += phases * phase // period + 1
        ms = _ms(period * net.dt / speed)
        lines.append(f'counter = counting("{name}", number=0, period={ms}, updates={updates}, start=0.0)')
        counted = ", rule=counter"
    for p in net.populations:
        if p.name in circuits:
            lines += _neurons(executable, p.name, circuits[p.name], made.cells[p.name], counted)
        else:
            lines.append(f'populations["{p.name}"] = sources("{p.name}", {p.size})')
    lines += ["", "projections = {}"]
    for q in net.projections:
        call = f'"{q.name}", populations["{q.pre}"], populations["{q.post}"]'
        if (per_weight := executable.placement.synapses_per_weight.get(q.name, 1)) > 1:
            call += f", per_weight={per_weight}"
        if q.name in learning:
            period, updates = learning[q.name]
            number = list(learning).index(q.name)
            call += f"{counted}, number={number}, period={_ms(period * net.dt / speed)}, updates={updates}"
        lines.append(f'projections["{q.name}"] = connect({call})')
    units = {name: code(executable.target.scaled_for(name)) for name in learning}
    last = max((period * net.dt / speed for period, _ in learning.values()), default=0.0)
    silent = {"phase": phase, "every": every, "silent": phases * phase, "period": period} if phase else {}
    words = "".join(f", {name}={_ms(of * net.dt / speed)}" for name, of in silent.items())
    return [
        *lines,
        "",
        "if MEASURING:",
        f"    measure({list(learning)!r})",
        "else:",
        f"    run({[*circuits]!r}, {units!r}, duration={_ms(duration)}, last={_ms(last)}, speed_up={speed:g}{words})",
        "pynn.end()",
    ]


def _phases(net: Network, steps: int) -> tuple[int, int, int]:
    """Steps of a reference phase of a run, and from the end of one to the next, 0 for never; and how many there are."""
    if (phase := reference_phase(net)) is None:
        return 0, 0, 0
    times = phase_times(phase, net)
    return times.length, times.every, -(-steps // times.every) if times.every else 1


def _neurons(executable: Executable, name: str, cell: Cell, made: Membranes, counted: str) -> list[str]:
    """The lines that make a population of neurons, and its background if it has one; ``counted``: the words that let a
    rule count their spikes."""
    size, speed = executable.network.population(name).size, executable.target.speed_up or 1.0
    taus = {"tau_m": made.tau_m.flat[0], "tau_syn_E": made.tau_syn.flat[0], "tau_syn_I": made.tau_syn.flat[0],
            "tau_refrac": max(0.04, made.refractory)}  # fmt: skip
    settings = ", ".join(f"{key}={1000.0 * tau / speed:g}" for key, tau in taus.items())  # us
    lines = [f'populations["{name}"] = neurons("{name}", {size}{counted}, {settings})']
    if cell.sampling:
        at_once, rate, _ = generator(cell.tau_ref, speed)
        weights = tuple(_events(executable, name, cell)[1].tolist())
        lines.append(f'background(populations["{name}"], rate={rate!r}, weights={weights}, at_once={at_once})')
    return lines


def _readme(executable: Executable, steps: int, data: int) -> str:
    """``data``: bytes of the plasticity programs' data."""
    net, speed = executable.network, executable.target.speed_up or 1.0
    placed = rows(net, executable.target, executable.placement)
    learning = plastic(net, executable.target)
    learned = [
        f"  - `{name}`: {SENSITIVITY:g} LSB per pair at distance 0 and {1000 * sensor_tau(rule) / speed:g} us on "
        f"both branches; an update every {1000 * (rule.period or 0.0) / speed:g} us"
        for name, rule in learning.items()
    ]
    text = Template(files("salhw_brainscales2").joinpath("templates/README.md.txt").read_text(encoding="utf-8"))
    return text.substitute(
        name=net.name,
        duration=f"{steps * net.dt / speed:g}",
        biological=f"{steps * net.dt:g}",
        targets="\n".join(_targets(executable)),
        learned="\n".join(learned) or "  - nothing learns",
        rows=f"{2 * placed.used[0]} and {2 * placed.used[1]}",
        unit=f"1/{LSB}",
        events=_generated(executable),
        memory=data,
        limit=MEMORY,
        sensitivity=f"{SENSITIVITY:.1f}",
        tau=min((sensor_tau(rule) for rule in learning.values()), default=10.0) / speed / 1000.0,
        report="\n".join(f"    {line}" for line in str(executable.report).splitlines()),
    )


def _targets(executable: Executable) -> list[str]:
    """Lines of the README's table of what is calibrated."""
    net, lines = executable.network, []
    for name, cell in cells(net).items():
        ends = [f"{v.min():g}..{v.max():g}" for v in potentials(net, name, cell).values()]
        lifts = [f"{x.min():.2f}..{x.max():.2f}" for x in cell.lsb * _strengths(executable, name, cell)]
        lines.append(f"| `{name}` | {' | '.join([*ends, *lifts])} |")
    return lines


def _generated(executable: Executable) -> str:
    """What the generators make of the background that was wanted."""
    parts, speed = [], executable.target.speed_up or 1.0
    for name, cell in cells(executable.network).items():
        if cell.sampling:
            _, _, made = generator(cell.tau_ref, speed)
            rate = 1000.0 * EVENTS / cell.tau_ref * speed
            wanted, whole = _events(executable, name, cell)
            off = " and ".join(
                f"{x.min():+.2g} %" if np.ptp(x) < 0.1 else f"{x.min():+.2g} to {x.max():+.2g} %"
                for x in 100.0 * (whole[:, None] / wanted - 1.0)
            )
            parts.append(
                f"  - `{name}`: {made / 1e6:.4g} MHz of either sign, {rate / 1e6:.4g} wanted; excitatory and "
                f"inhibitory events are {off} off"
            )
    return "\n".join(parts) or "  - no population here has a background"
