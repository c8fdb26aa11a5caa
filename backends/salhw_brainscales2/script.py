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

from salhw.description.connectivity import synapses
from salhw.description.fields import FloatArray, IntArray
from salhw.description.grid import in_steps
from salhw.description.network import Network
from salhw.description.neurons import GLM, LIF, Source
from salhw.description.parts import Population
from salhw.description.stimuli import SpikeTimes
from salhw.diagnostics import Diagnostic, UnsupportedNetworkError
from salhw.session.executable import Executable
from salhw.session.paths import described_at, duration_steps
from salhw_brainscales2.circuit import circuit
from salhw_brainscales2.hardware.ppu_program import MEMORY, cpp_source, memory
from salhw_brainscales2.hardware.program import LSB
from salhw_brainscales2.membrane import (
    CURRENT,
    EVENT,
    EVENTS,
    LSB_PER_GAP,
    LSB_PER_SIGMA,
    RESET,
    continuous,
    leak,
    sensitivity,
    strength,
)
from salhw_brainscales2.placement import rows
from salhw_brainscales2.plasticity import SENSITIVITY, code, nominal_program, plastic, too_large
from salhw_brainscales2.sources import Emitter, entropy

SCRIPT, ARRAYS, README = "run.py", "network.npz", "README.md"
THRESHOLD = 135.0
"""Converter LSB of the thresholds of sampling neurons."""
LEAK_LSB = (50.0, 160.0)
"""Range of resting and reset potentials that can be calibrated."""
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
        for name in _learning(net, steps)
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
    return [*_forced(net), *_unheard(net), *_unlike(executable), *_out_of_range(net), *_background(executable)]


def _learning(net: Network, steps: int) -> dict[str, tuple[int, int]]:
    """The projections that learn in a run: (steps of a period, updates). Without synapses, or in a run shorter than
    the period, there is nothing for the processor to do."""
    found = {}
    for name in plastic(net):
        projection = net.projection(name)
        period = in_steps(projection.plasticity[0].period or 0.0, net.dt) or 0
        if steps >= period and _synapses(net, name):
            found[name] = period, steps // period
    return found


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
    return [
        Diagnostic("SAL101", f"stimuli[{k}]", "spikes that neurons are forced to", "supported for sources on a chip",
                   "drive a Source population that is connected to them")
        for k, s in enumerate(net.stimuli)
        if isinstance(s, SpikeTimes) and not isinstance(net.population(s.population).neuron, Source)
    ]  # fmt: skip


def _unheard(net: Network) -> list[Diagnostic]:
    return [
        Diagnostic("SAL101", f"projections.{q.name}", "synapses onto sources", "supported onto neurons on a chip",
                   "leave the projection out: sources hear nothing")
        for q in net.projections
        if isinstance(net.population(q.post).neuron, Source)
    ]  # fmt: skip


def _background(executable: Executable) -> list[Diagnostic]:
    """Whether the generators suffice: each feeds one sign of the background of some neurons of one population."""
    net, free = executable.network, GENERATORS
    found: list[Diagnostic] = []
    for p in net.populations:
        if isinstance(p.neuron, GLM):
            at_once, _, _ = generator(p.neuron.tau_ref, executable.target.speed_up or 1.0)
            room, free = free // 2 * at_once, free - 2 * -(-p.size // at_once)
            if free < 0 and not found:
                asked = f"{p.size} neurons with a background of their own"
                fix = "fewer GLM neurons, or LIF neurons" if room else "fewer populations of GLM neurons"
                where = f"populations.{p.name}.size"
                found.append(Diagnostic("SAL201", where, asked, f"{max(room, 0)} available on a real chip", fix))
    return found


def _unlike(executable: Executable) -> list[Diagnostic]:
    """Projections onto one population whose weights mean different currents: its codes all mean the same."""
    net, found = executable.network, []
    for p in net.populations:
        onto = [] if isinstance(p.neuron, Source) else _onto(net, p.name)
        for name in onto[1:]:
            ratio = _currents(net, name) / _currents(net, onto[0])
            if not np.allclose(ratio, 1.0, rtol=1e-9):
                asked, supported = (
                    f"PSPs of {ratio[0]:.3g} times the area of those of {onto[0]}",
                    "one area onto a population",
                )
                fix = "the same area for both, and weights that make up for it"
                found.append(Diagnostic("SAL107", f"projections.{name}.kernel", asked, supported, fix))
    return found


def _out_of_range(net: Network) -> list[Diagnostic]:
    found = []
    for p in net.populations:
        if not isinstance(p.neuron, Source):
            rest = potentials(net, p)["v_rest"]
            if rest.min() < LEAK_LSB[0] or rest.max() > LEAK_LSB[1]:
                asked = f"resting potentials of {rest.min():g}..{rest.max():g} LSB"
                supported = f"supported {LEAK_LSB[0]:g}..{LEAK_LSB[1]:g}"
                fix = "biases nearer to 0"
                if isinstance(p.neuron, LIF):  # with the reset at 60 LSB, or 140 if the neurons rest below it
                    gap, below = p.neuron.v_thresh - p.neuron.v_reset, p.neuron.v_rest - p.neuron.v_reset
                    ends = [x * gap / LSB_PER_GAP - below for x in ((-9, 99) if below >= 0 else (-89, 19))]
                    fix = f"biases of {ends[0]:.3g}..{ends[1]:.3g}"
                found.append(Diagnostic("SAL104", f"populations.{p.name}.bias", asked, supported, fix))
    return found


def potentials(net: Network, population: Population) -> dict[str, FloatArray]:
    """Calibration targets: ``v_rest``, ``v_reset``, ``v_thresh`` in converter LSB, one per neuron.

    Reset and threshold of LIF neurons lie where all resting potentials can be calibrated, if there is such a place.
    """
    neuron = population.neuron
    assert isinstance(neuron, GLM | LIF)
    bias = described_at(net, f"populations.{population.name}.bias")
    if isinstance(neuron, GLM):
        rest = THRESHOLD + LSB_PER_SIGMA * leak(continuous(neuron, bias, net.dt))
        thresh, reset = THRESHOLD, THRESHOLD - LSB_PER_SIGMA * RESET
    else:
        lsb = LSB_PER_GAP / (neuron.v_thresh - neuron.v_reset)
        above = lsb * (neuron.v_rest + bias - neuron.v_reset)  # a constant current is a shift of the leak
        low, high = LEAK_LSB
        lowest, highest = np.ceil(low - above.min()), min(150.0, np.floor(high - above.max()))
        reset = max(low, min(max(60.0, lowest), highest))
        thresh, rest = reset + LSB_PER_GAP, reset + above
    whole = {"v_rest": rest, "v_reset": np.full(population.size, reset), "v_thresh": np.full(population.size, thresh)}
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
        w, step = wiring[q.name], code(executable.target.scaled_for(q.name))
        weights = described_at(net, f"projections.{q.name}.weights").ravel()[w.position]
        arrays |= {f"{q.name}.pre": w.pre, f"{q.name}.post": w.post, f"{q.name}.code": _codes(weights, step)}
    return arrays


def _onto(net: Network, population: str) -> list[str]:
    """The projections that bring synapses to a population."""
    return [q.name for q in net.projections if q.post == population and _synapses(net, q.name)]


def _synapses(net: Network, projection: str) -> int:
    return len(synapses(net.projection(projection).weights, *net.ends(projection))[0])


def _currents(net: Network, projection: str) -> FloatArray:
    """The currents of a spike per unit weight through the excitatory and the inhibitory input, (2,)."""
    return np.broadcast_to(np.asarray(strength(net, projection), dtype=np.float64), 2)


def _current(executable: Executable, population: str) -> FloatArray:
    """The currents of one weight code onto a population, excitatory and inhibitory, in units of its membrane: the same
    for all its synapses, (2,)."""
    net = executable.network
    onto = _onto(net, population)
    if not onto:
        return np.full(2, CURRENT * code(executable.target))
    return _currents(net, onto[0]) * code(executable.target.scaled_for(onto[0]))


def _strengths(executable: Executable, population: Population) -> FloatArray:
    """The currents of one weight code onto each neuron, excitatory and inhibitory, (2, neuron)."""
    net = executable.network
    bias = described_at(net, f"populations.{population.name}.bias")
    return _current(executable, population.name)[:, None] * sensitivity(population, bias, net.dt)


def _events(executable: Executable, population: Population) -> tuple[FloatArray, IntArray]:
    """The weight codes of background events of both signs: those that each neuron wants, (2, neuron), and the whole
    ones that all of them get, (2,)."""
    wanted = EVENT / _strengths(executable, population)
    return wanted, np.maximum(1, np.rint(wanted.mean(axis=1))).astype(np.int64)


def _codes(weights: FloatArray, step: float) -> IntArray:
    return np.clip(np.rint(weights / step), -63, 63).astype(np.int64)


def _ms(value: float) -> str:
    """A number as code: a tiny error of division does not show."""
    return repr(round(value, 9))


def _lines(executable: Executable, steps: int) -> list[str]:
    net, speed = executable.network, executable.target.speed_up or 1.0
    made = circuit(net, executable.placement, [c.replace(variability={}) for c in executable.target.sample_chips(1)])
    learning, duration = _learning(net, steps), steps * net.dt / speed
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
    for p in net.populations:
        if isinstance(p.neuron, Source):
            lines.append(f'populations["{p.name}"] = sources("{p.name}", {p.size})')
            continue
        cells = made.cells[p.name]
        taus = {"tau_m": cells.tau_m.flat[0], "tau_syn_E": cells.tau_syn.flat[0], "tau_syn_I": cells.tau_syn.flat[0],
                "tau_refrac": max(0.04, cells.refractory)}  # fmt: skip
        words = ", ".join(f"{name}={1000.0 * tau / speed:g}" for name, tau in taus.items())  # us
        lines.append(f'populations["{p.name}"] = neurons("{p.name}", {p.size}, {words})')
        if isinstance(p.neuron, GLM):
            at_once, rate, _ = generator(p.neuron.tau_ref, speed)
            weights = tuple(_events(executable, p)[1].tolist())
            lines.append(f'background(populations["{p.name}"], rate={rate!r}, weights={weights}, at_once={at_once})')
    lines += ["", "projections = {}"]
    for q in net.projections:
        call = f'"{q.name}", populations["{q.pre}"], populations["{q.post}"]'
        if q.name in learning:
            period, updates = learning[q.name]
            number = list(learning).index(q.name)
            call += f", number={number}, period={_ms(period * net.dt / speed)}, updates={updates}"
        lines.append(f'projections["{q.name}"] = connect({call})')
    spiking = [p.name for p in net.populations if not isinstance(p.neuron, Source)]
    units = {name: code(executable.target.scaled_for(name)) for name in learning}
    last = max((period * net.dt / speed for period, _ in learning.values()), default=0.0)
    return [
        *lines,
        "",
        "if MEASURING:",
        f"    measure({list(learning)!r})",
        "else:",
        f"    run({spiking!r}, {units!r}, duration={_ms(duration)}, last={_ms(last)}, speed_up={speed:g})",
        "pynn.end()",
    ]


def _readme(executable: Executable, steps: int, data: int) -> str:
    """``data``: bytes of the plasticity programs' data."""
    net, speed = executable.network, executable.target.speed_up or 1.0
    placed = rows(net, executable.placement)
    rules = {name: net.projection(name).plasticity[0] for name in plastic(net)}
    learned = [
        f"  - `{name}`: {SENSITIVITY:g} LSB per pair at distance 0 and {1000 * rule.causal.tau / speed:g} us on "
        f"both branches; an update every {1000 * (rule.period or 0.0) / speed:g} us"
        for name, rule in rules.items()
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
        tau=min((rule.causal.tau for rule in rules.values()), default=10.0) / speed / 1000.0,
        report="\n".join(f"    {line}" for line in str(executable.report).splitlines()),
    )


def _targets(executable: Executable) -> list[str]:
    """Lines of the README's table of what is calibrated."""
    net, lines = executable.network, []
    for p in net.populations:
        if not isinstance(p.neuron, Source):
            ends = [f"{v.min():g}..{v.max():g}" for v in potentials(net, p).values()]
            unit = LSB_PER_GAP / (p.neuron.v_thresh - p.neuron.v_reset) if isinstance(p.neuron, LIF) else LSB_PER_SIGMA
            lifts = [f"{unit * x.min():.2f}..{unit * x.max():.2f}" for x in _strengths(executable, p)]
            lines.append(f"| `{p.name}` | {' | '.join([*ends, *lifts])} |")
    return lines


def _generated(executable: Executable) -> str:
    """What the generators make of the background that was wanted."""
    parts = []
    for p in executable.network.populations:
        if isinstance(p.neuron, GLM):
            _, _, made = generator(p.neuron.tau_ref, executable.target.speed_up or 1.0)
            rate = 1000.0 * EVENTS / p.neuron.tau_ref * (executable.target.speed_up or 1.0)
            wanted, whole = _events(executable, p)
            off = " and ".join(
                f"{x.min():+.2g} %" if np.ptp(x) < 0.1 else f"{x.min():+.2g} to {x.max():+.2g} %"
                for x in 100.0 * (whole[:, None] / wanted - 1.0)
            )
            parts.append(
                f"  - `{p.name}`: {made / 1e6:.4g} MHz of either sign, {rate / 1e6:.4g} wanted; excitatory and "
                f"inhibitory events are {off} off"
            )
    return "\n".join(parts) or "  - no population here has a background"
