"""One peer with one network, in a process of its own: ``python worker.py PEER CASE COLUMN``.

It says ``{"setup": seconds}`` when the network is ready, and a line with what was measured for each line that it reads.
What simulators print goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from typing import Any

from cases import Case


def main(peer: str, case: str, column: str) -> None:
    """Serve until stdin ends."""
    began = time.perf_counter()
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def reply(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=replies, flush=True)

    run = import_module(peer).prepare(Case(**json.loads(case)), column)
    reply({"setup": time.perf_counter() - began})
    for _ in sys.stdin:
        measured = run()
        reply({"seconds": measured.seconds, "counts": measured.counts.tolist(), "learned": measured.learned})


if __name__ == "__main__":
    main(*sys.argv[1:])
