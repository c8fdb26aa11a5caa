"""Excitation and inhibition in balance, by inhibitory plasticity (Vogels, Sprekeler et al. 2011)."""
