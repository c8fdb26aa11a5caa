"""What a target may declare in its TOML under ``[accuracy]``; the checks hold it to each. One that is absent leaves the
checks that need it unsupported."""

from __future__ import annotations

ACCURACY: dict[str, str] = {
    "rate": "relative error of a neuron's firing rate, in a network or alone",
    "rate_alone": "the same of a neuron without input, of a bias of -1 or more; if it is not declared, that of rate "
    "holds",
    "poisson_rate": "relative error of a Poisson source's rate",
    "psp_shape": "largest deviation of a PSP, measured by firing probabilities, as a share of its peak",
    "membrane": "largest deviation of a PSP, read from the membrane potential, as a share of its peak",
    "lif_under_way": "share of a change of a weight that PSPs onto LIF neurons do not follow if they are under way; 0 "
    "if it is not declared",
    "learned_under_way": "the same of PSPs onto other neurons, through synapses that learn on the target itself",
    "under_way": "the same of all PSPs, whatever changes a weight",
    "potential": "how far steps in which potentials are held may put them off, at most, beside membrane; the report "
    "of a network may name less",
    "leak": "share of what leaks from a membrane in a step by which a target's leak may be off",
    "learned": "step to which a weight is rounded at random with each change that the target itself learns, at most; "
    "the report of a network may name less, and what a step of a trace makes of a weight",
    "simultaneous": "share of all pairs at and after simultaneous spikes, each in full, that weights may be off by "
    "where the report names SAL323 or SAL327",
    "lif_refractory": "steps by which LIF and AdEx neurons may spike before their refractory period is over; 0 if it "
    "is not declared",
    "conductance": "share of what conductances that decay add to a potential that it may be off by, times dt^2 / "
    "(tau_syn tau_m); 0 if it is not declared",
    "adex": "share of what a step of AdEx neurons is off the solution of their equations by, in which PSPs decay, that "
    "they may be off the step by; 0 if it is not declared",
    "short_term": "error of the strength of a PSP behind short-term plasticity, as a share of the strongest",
    "correlation": "largest correlation coefficient (per step) between two unconnected neurons",
    "stdd_total_variation": "total variation distance between the lags of nearest spike pairs and the theory's",
    "pair_stdd": "the same of a pair without other input, of weights from -1 to 1; if it is not declared, that of "
    "stdd_total_variation holds",
    "state_total_variation": "total variation distance between the states of a few neurons and the exact distribution",
    "network_states": "the same of the 32 states of five neurons, over the declared range of biases and weights",
    "network_rate": "error of the rate of one of these five neurons, as a share of the largest rate, 1 / tau_ref",
    "window": "relative error of the weight change by spike pairs (amplitudes, learning rates, pairing)",
    "coincidence": "error of the weight change by simultaneous spikes, as a share of the amplitude; if it is not "
    "declared, that of window holds",
    "window_tau": "relative error of the time constant of an STDP window",
    "sal_gap": "difference of reciprocal weights that SAL leaves, and the share of the initial one that it keeps",
    "batch": "what a batch of instances may differ by from single runs; 0 is bit for bit",
    "held": "largest difference between a written bias or learning rate and what is held; 1e-6 without a declaration",
    "sal_sum": "change of the sum of reciprocal weights under SAL, in units of the weights",
    "sal_walk": "standard deviation by which that sum wanders where weights are rounded at random, in units of the "
    "weights per square root of a spike; 0: not at all",
}
"""Name -> meaning. Every number is the margin of an equivalence test: what the target may be off by, at most."""
