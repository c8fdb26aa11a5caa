"""What a study answers, as tables: for the command line, the page and a paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from salhw.study.answers import Answer, Results
from salhw.study.description import Specification, Study
from salhw.study.intervals import Interval
from salhw.study.sensitivity import effects, sobol_indices

WORST = 5
LATEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
         "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "|": r"\textbar{}"}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A title, names of columns, and rows of text; ``numbers`` are the columns aligned to the right."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()

    def latex(self) -> str:
        """The table in LaTeX, for the package booktabs."""
        form = "".join("r" if k in self.numbers else "l" for k in range(len(self.columns)))
        lines = [" & ".join(map(_escaped, row)) + r" \\" for row in (self.columns, *self.rows)]
        body = "\n".join(lines[1:])
        return (
            f"\\begin{{table}}\n\\caption{{{_escaped(self.title)}}}\n\\begin{{tabular}}{{{form}}}\n\\toprule\n"
            f"{lines[0]}\n\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}\n"
        )


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


def tables(results: Results) -> list[Table]:
    """All of them: of each metric means, differences and effects; yields, and the worst runs."""
    study = results.study
    found = []
    for name in (m.name for m in study.metrics):
        found.append(_of_answers(results, f"{name}: mean over chips, 95 % interval", results.means(name)))
        if len(study.methods) > 1:
            title = f"{name}: less that of {study.methods[0].name}, on the same chips"
            found.append(_of_answers(results, title, results.differences(name)))
        found += _of_noises(results, name)
        if calibrates_or_ages(study):
            found.append(_of_budget(results, name))
    if study.specification:
        wanted = study.specification
        found.append(_of_answers(results, f"yield: {limit(wanted)}, 95 % interval", results.yields()))
        rows = [(str(w.run), str(w.chip), w.cell.method, f"{w.value:.4g}", w.diagnostic) for w in results.worst(WORST)]
        columns = ("run", "chip", "method", wanted.metric, "diagnostic")
        found.append(Table("worst runs", columns, tuple(rows), (0, 1, 3)))
    return found + _of_failures(results)


def _of_failures(results: Results) -> list[Table]:
    """What went wrong most often, and which run shows it first."""
    most = list(results.failures.items())[:WORST]
    rows = tuple((str(len(runs)), str(min(runs)), text) for text, runs in most)
    return [Table("failed runs", ("runs", "first", "diagnostic"), rows, (0, 1))] if rows else []


def limit(wanted: Specification) -> str:
    """What counts as good, in words."""
    at = f"at most {wanted.at_most:g}" if wanted.at_most is not None else f"at least {wanted.at_least:g}"
    return f"{wanted.metric} {at}"


def _of_answers(results: Results, title: str, answers: Sequence[Answer]) -> Table:
    noises = tuple(noise.name for noise in results.study.noises)
    rows = [
        (a.cell.target, *(f"{value:g}" for value in a.cell.level), a.cell.method, str(a.chips), shown(a.interval))
        for a in answers
        if a.chips
    ]
    return Table(title, ("target", *noises, "method", "chips", "value"), tuple(rows), (len(noises) + 2,))


def calibrates_or_ages(study: Study) -> bool:
    """Whether there is anything to say about what calibration costs, or how it ages."""
    return any(method.calibration or method.age for method in study.methods)


def _of_budget(results: Results, metric: str) -> Table:
    rows = [
        (s.answer.cell.target, *(f"{value:g}" for value in s.answer.cell.level), s.answer.cell.method,
         f"{s.biological_s:,.4g}", f"{s.chip_s:.3g}", f"{s.age:g}", shown(s.answer.interval))
        for s in results.budget(metric)
        if s.answer.chips
    ]  # fmt: skip
    noises = tuple(noise.name for noise in results.study.noises)
    numbers = tuple(range(len(noises) + 2, len(noises) + 5))
    columns = ("target", *noises, "method", "calibration, s of biology", "s of a chip", "age, days", "value")
    return Table(f"{metric}: against what calibration took, and its age", columns, tuple(rows), numbers)


def _of_noises(results: Results, metric: str) -> list[Table]:
    """Which noise matters: Sobol' indices where levels are sampled and all have run, else on and off."""
    study = results.study
    if study.sobol is None and len(study.noises) > 1:
        rows = [(e.noise, e.target, e.method, *map(shown, (e.alone, e.last, e.mean))) for e in effects(results, metric)]
        title = f"{metric}: from the lowest to the highest level of one noise, on the same chips"
        columns = ("noise", "target", "method", "others lowest", "others highest", "over all others")
        return [Table(title, columns, tuple(rows), (3, 4, 5))]
    if study.sobol and len(results) == results.planned and not results.failed:
        indices = sobol_indices(results, metric)
        shares = [(e.noise, e.target, e.method, shown(e.first), shown(e.total)) for e in indices]
        title = f"{metric}: share of its variance over the levels (Sobol' indices)"
        return [Table(title, ("noise", "target", "method", "by itself", "with all others"), tuple(shares), (3, 4))]
    return []


def shown(interval: Interval) -> str:
    """An estimate with its interval."""
    return f"{interval.value:.4g} [{interval.low:.4g}, {interval.high:.4g}]"
