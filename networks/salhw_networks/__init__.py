"""The paper's systems, a package each: builders of their networks, experiments on them with figures, and the demo.

Listed under the entry point groups ``salhw.networks``, ``salhw.experiments`` and ``salhw.demonstrations``.
"""
