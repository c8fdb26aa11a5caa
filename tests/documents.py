"""Documents whose code is real: their blocks of code, run in order, and what they print put beneath them.

``python tests/documents.py docs/guide.md`` writes a document's output anew, and the pictures that its code draws into
a folder of its name. The tests hold that this changes nothing.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.M | re.S)
"""A block: its language, the file that it quotes if it does, its text."""

RUN = re.compile(r"^```(python|console)\n(.*?)^```\n(?:\n```text\n.*?^```\n)?", re.M | re.S)
"""A block that is run, with its output: the ``text`` block right behind it."""

PICTURE = re.compile(r"!\[[^\]]*\]\((\S+\.png)\)")


def with_real_output(document: Path) -> str:
    """The text of a document with what its blocks print when they are run here and now: ``python`` in one namespace,
    ``console`` as lines ``$ salhw ...``. Files that they write go to the current folder."""
    markdown, namespace = document.read_text(encoding="utf-8"), {"__name__": document.stem}

    def run(block: re.Match[str]) -> str:
        language, code = block.groups()
        above = markdown[: block.start(2)].count("\n")
        output = printed("\n" * above + code, document, namespace) if language == "python" else answered(code)
        text = f"```{language}\n{code}```\n"
        return text + f"\n```text\n{output.rstrip()}\n```\n" if output.strip() else text

    return RUN.sub(run, markdown)


def printed(code: str, document: Path, namespace: dict[str, Any]) -> str:
    """What Python code prints; ``namespace`` keeps its names. Errors name the line of the document."""
    os.environ.setdefault("MPLBACKEND", "agg")
    with contextlib.redirect_stdout(io.StringIO()) as stdout:
        exec(compile(code, str(document), "exec", dont_inherit=True), namespace)
    return re.sub(r" +$", "", stdout.getvalue(), flags=re.M)


def answered(commands: str) -> str:
    """What the commands of a console block print, in a terminal of 100 columns."""
    output = ""
    for line in commands.splitlines():
        program, *arguments = shlex.split(line.removeprefix("$ "))
        script = Path(sys.executable).with_name(program)
        done = subprocess.run(
            [str(script), *arguments], env=os.environ | {"COLUMNS": "100"}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        output += re.sub(r" +$", "", done.stdout, flags=re.M)
    return output


def write(document: Path) -> None:
    """Run a document's code in a folder that is thrown away; keep its output and its pictures."""
    document = document.resolve()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        text = with_real_output(document)
        for picture in PICTURE.findall(text):
            (document.parent / picture).parent.mkdir(exist_ok=True)
            shutil.copy(Path(picture).name, document.parent / picture)
    document.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write(Path(argument))
