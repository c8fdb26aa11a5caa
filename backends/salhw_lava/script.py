"""Export: a folder that runs a network under Lava, without salhw."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from salhw.diagnostics import Diagnostic, UnsupportedNetworkError, file_error
from salhw.session.executable import Executable
from salhw.session.paths import duration_steps
from salhw_lava.arithmetic import arithmetic
from salhw_lava.program import layout, program

HERE = Path(__file__).parent
SALHW_SIDE = ("about.py", "host.py", "runtime.py")  # what only a session needs
TAGS = {"fixed": "fixed_pt", "floating": "floating_pt"}


def export(executable: Executable, directory: Path, *, duration: float, seed: int) -> list[Path]:
    """Write ``run.py``, the program that it runs and the process models to ``directory``; one instance, with id 0.

    Its spikes and weights are those of ``executable.open(seed=seed)`` after ``run(duration)``. Returns the files.

    Raises:
        UnsupportedNetworkError: rules that the host works out: a script runs Lava alone.
        FileError: the directory cannot be written to.
        SessionError: SAL404 the duration is no whole number of steps.
    """
    if refused := _of_the_host(executable):
        headline = f"UnsupportedNetworkError: {executable.network.name!r} cannot be exported to Lava"
        raise UnsupportedNetworkError(headline, refused)
    steps = duration_steps(executable.network, duration)
    made = program(executable, (0,), seed)
    arrays: dict[str, npt.NDArray[Any]] = {}
    described = _apart(made, "", arrays)
    files = {
        "run.py": _script(executable, steps).encode(),
        "program.json": (json.dumps(described, indent=1) + "\n").encode(),
        **{
            f"salhw_lava_worker/{path.relative_to(HERE / 'worker')}": path.read_bytes()
            for path in sorted((HERE / "worker").rglob("*.py"))
            if path.name not in SALHW_SIDE
        },
    }
    written = []
    try:
        for name, content in files.items():
            place = directory / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
            written.append(place)
        np.savez(directory / "program.npz", **arrays)  # type: ignore[arg-type]  # numpy's stubs take it for allow_pickle
    except OSError as error:
        raise file_error(directory, "", f"a folder to write to; {error.strerror}", "choose another folder") from None
    return [*written, directory / "program.npz"]


def _of_the_host(executable: Executable) -> list[Diagnostic]:
    asked, supported = "a rule that the host works out", "supported rules that the learning engine has, in a script"
    fix = "a rule that the learning engine has; or run it here"
    return [
        Diagnostic("SAL101", f"projections.{name}.plasticity", asked, supported, fix)
        for name in sorted(layout(executable).hosted)
    ]


def _apart(value: Any, path: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """Plain data, with arrays moved to ``arrays`` and their names left in their places."""
    if isinstance(value, np.ndarray):
        arrays[path] = value
        return {"array": path}
    if isinstance(value, dict):
        return {key: _apart(item, f"{path}.{key}".lstrip("."), arrays) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_apart(item, f"{path}.{k}", arrays) for k, item in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _script(executable: Executable, steps: int) -> str:
    net, units = executable.network, arithmetic(executable.target)
    plan = layout(executable)
    places = [f"{p.name} {plan.first[p.name]}..{plan.first[p.name] + p.size - 1}" for p in net.populations]
    return Template((HERE / "run.py.txt").read_text(encoding="utf-8")).substitute(
        name=net.name,
        version=version("salhw"),
        unit=f"{units.unit:g}",
        populations=", ".join(places),
        tag=TAGS[units.model],
        steps=steps,
    )
