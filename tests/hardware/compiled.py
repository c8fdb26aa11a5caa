"""C++ against the emulation headers, compiled with g++ and fed with 32-bit integers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt

from salhw.description.fields import IntArray
from salhw_brainscales2.hardware import ppu_program, processor
from salhw_brainscales2.hardware.program import PlasticityProgram

HERE = Path(__file__).parent


def build(source: Path, binary: Path, *options: str) -> Path:
    """Not optimised, which takes three times as long, unless the options say so. Arithmetic without a meaning stops the
    program; pointers are not looked at, each use of which would be as much code again."""
    flags = ["-std=c++17", "-O0", "-Wall", "-Wextra", "-Werror", "-fsanitize=undefined", "-fno-sanitize-recover"]
    flags += ["-fno-sanitize=null,alignment,object-size,vptr"]
    subprocess.run(["g++", *flags, f"-I{ppu_program.EMULATION}", *options, str(source), "-o", str(binary)], check=True)
    return binary


def execute(binary: Path, words: npt.ArrayLike) -> IntArray:
    given = np.ascontiguousarray(words, dtype=np.int32).tobytes()
    out = subprocess.run([str(binary)], input=given, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    return np.frombuffer(out, dtype=np.int32).astype(np.int64)


def run_ppu_program(
    program: PlasticityProgram, chip: int, code: IntArray, reads: IntArray, folder: Path, spikes: IntArray | None = None
) -> tuple[IntArray, IntArray, IntArray]:
    """The program's codes and residuals after each update, (update, S), and the generators at the end, (256,).

    Args:
        code: initial codes, (S,).
        reads: (update, 2, S). All synapses lie on one hemisphere; their rows are 0, 1, ...
        spikes: of the neurons of its columns since the last update, (update, 256), if the program counts them.
    """
    folder.mkdir(exist_ok=True)
    (folder / "program.h").write_text(ppu_program.cpp_source(program, chip))
    main = ppu_program.EMULATION / "main.cpp"
    counting = f"-DCOUNTING={int(spikes is not None)}"
    options = f'-DPPU_PROGRAM="{folder / "program.h"}"', f"-DPER_WEIGHT={program.rows}", counting
    binary = build(main, folder / "program", *options)
    (hemisphere,) = set(program.column // processor.COLUMNS)
    column, row = program.column % processor.COLUMNS, np.unique(program.row, return_inverse=True)[1]
    rows, used = row.max() + 1, np.unique(column)

    def whole(values: IntArray) -> IntArray:
        """As rows; what lies beside the synapses must not matter."""
        full = np.random.default_rng(0).integers(0, 63, (*values.shape[:-1], rows, processor.COLUMNS))
        full[..., row, column] = values
        return full.reshape(-1)

    head = [hemisphere, rows, len(reads), len(used), *used, *processor.polynomials()]
    given = whole(reads).reshape(len(reads), -1)
    given = given if spikes is None else np.concatenate([spikes, given], axis=1)
    out = execute(binary, np.concatenate([head, whole(code), given.ravel()]))
    updates = out[: -processor.COLUMNS].reshape(len(reads), 2, rows, processor.COLUMNS)[:, :, row, column]
    return updates[:, 0], updates[:, 1], out[-processor.COLUMNS :]


def run_two(
    programs: tuple[PlasticityProgram, PlasticityProgram], codes: IntArray, reads: IntArray, folder: Path
) -> IntArray:
    """The codes after each update (update, rule, column) of two rules in one program, each a source of its own, as
    the real software links them.

    The synapses of each are one row of the same columns; ``reads``: (update, rule, 2, column).
    """
    objects = []
    for number, program in enumerate(programs):
        text = folder / f"program_{number}.h"
        text.write_text(ppu_program.cpp_source(program))
        names = [f'-DPPU_PROGRAM="{text}"', f"-DPLASTICITY_RULE_KERNEL=plasticity_rule_kernel_{number}"]
        rule = f"-DRULE=plasticity_rule_{number}"
        flow = "-O1"  # warns of values that may not be set, and the like
        objects.append(str(build(HERE / "rule.cpp", folder / f"rule_{number}.o", "-c", flow, rule, *names)))
    binary = build(HERE / "two_rules.cpp", folder / "two_rules", *objects)
    head = [codes.shape[1], len(reads), *processor.polynomials()]
    return execute(binary, np.concatenate([head, codes.ravel(), reads.ravel()])).reshape(-1, *codes.shape)
