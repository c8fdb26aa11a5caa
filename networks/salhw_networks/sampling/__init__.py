"""Spiking networks that sample Boltzmann distributions, trained with wake-sleep under synaptic and plasticity noise."""
