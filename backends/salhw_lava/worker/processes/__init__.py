"""Lava Processes and their models. A package of its own: Lava's compiler executes every file beside a Process."""
