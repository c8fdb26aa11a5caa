"""The figure: cost against size, in-degree, rate, step and batch, with the machine's limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from cases import TAU, Case
from report import Report

LABELS: dict[str, tuple[str, Callable[[Case, float], float]]] = {
    "size": ("neurons", lambda case, rate: case.size),
    "in-degree": ("synapses onto a neuron", lambda case, rate: case.inputs),
    "rate": ("spikes per neuron and s", lambda case, rate: 1000.0 * rate / case.dt),
    "dt": ("steps per refractory period", lambda case, rate: TAU / case.dt),
    "batch": ("instances of 100 neurons", lambda case, rate: case.instances),
}
STYLES = {
    "bare kernel": ("0.4", "v"), "salhw": ("C3", "o"), "salhw, on the spike": ("C1", "o"),
    "salhw, nearest pairs": ("C8", "o"), "Brian2 C++": ("C0", "s"), "NEST": ("C2", "D"), "salhw on NEST": ("C4", "D"),
    "PyNN on NEST": ("C5", "D"), "Brian2 C++, traces per synapse": ("C9", "s"),
}  # fmt: skip


def draw_figure(report: Report, path: Path) -> None:
    """Draw it into a file. The base network belongs to all panels but the batch's."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 8), sharey=True, layout="constrained")
    panels = [("size", False), ("size", True), *((name, False) for name in list(LABELS)[1:])]
    for ax, (name, learning) in zip(axes.flat, panels, strict=True):
        panel(ax, report, name, learning)
    for ax in axes[:, 0]:
        ax.set_ylabel("ns of processor time per neuron and step")
    handles = {text: handle for ax in axes.flat for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def panel(ax: Any, report: Report, name: str, learning: bool) -> None:
    """One quantity against cost."""
    label, place = LABELS[name]
    chosen = [case for case in report.results if case.learning == learning and belongs(case, name)]
    ours = {case: next(e for e in report.results[case] if e.column == "salhw") for case in chosen}
    at = {case: place(case, float(ours[case].rates(case).mean())) for case in chosen}
    chosen.sort(key=lambda case: at[case])
    for column in report.columns:
        points = [(at[c], entry.best(c)) for c in chosen for entry in report.results[c] if entry.column == column]
        if points:
            color, marker = STYLES.get(column, (None, "x"))
            ax.plot(*zip(*points, strict=True), color=color, marker=marker, markersize=5, label=column)
    limits = {
        "scatter": ("additions scattered", ":"),
        "stream": ("synapses streamed", "--"),
        "draw": ("random numbers", "-."),
    }
    for limit, (text, style) in limits.items():
        height = [getattr(report.floors[case], limit) for case in chosen]
        ax.plot([at[c] for c in chosen], height, color="k", linestyle=style, linewidth=1, label=f"limit: {text}")
    ax.set_xscale("log")
    ax.set_xticks(
        sorted(set(at.values())), [f"{x:,.3g}" if x < 1000 else f"{x:,.0f}" for x in sorted(set(at.values()))]
    )
    ax.minorticks_off()
    ax.set(yscale="log", xlabel=label, title=("SAL over all pairs, " if learning else "static, ") + name)
    ax.grid(which="major", alpha=0.3)


def belongs(case: Case, name: str) -> bool:
    """Whether a case is in a panel: it differs from the base in that quantity, or is the base itself."""
    base = Case("size", learning=case.learning, steps=case.steps)
    return case.panel == name or (case == base and name != "batch")
