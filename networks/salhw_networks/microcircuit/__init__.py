"""Spiking cortical microcircuits that learn by backpropagation, and SAL that aligns their feedback weights."""
