"""Sparse random networks of excitation and inhibition: synchronous or not, regular or not (Brunel 2000)."""
