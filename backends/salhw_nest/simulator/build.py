"""Build a network in NEST through PyNN. An exported script holds these functions word for word."""

import math
import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # PyNN's search for a compiler, and names that NEST has deprecated
    import nest
    import pyNN.nest as sim


# What the public `set` calls, without the state of each node that it asks for before; a later NEST may rename it.
_set_status = getattr(getattr(nest.ll_api, "nestkernel", None), "llapi_set_nc_status", None)


def upwards(ms):
    """A time that NEST, which cuts off, does not take for a tick less: .119 ms are 118.99999999999999 units."""
    return math.nextafter(ms, math.inf)


class ConnectAll(sim.Connector):
    """PyNN's FromListConnector in one call of NEST instead of one per postsynaptic cell, and in NEST's own units."""

    parameter_names = ()

    def __init__(self, pre, post, weight, delay, **parameters):
        super().__init__(safe=False)
        self.pre, self.post, self.weight, self.delay, self.parameters = pre, post, weight, delay, parameters

    def connect(self, projection):
        size = len(self.pre)
        columns = {"weight": self.weight, "delay": self.delay} | self.parameters
        columns = {name: np.broadcast_to(np.asarray(v, dtype=float), (size,)) for name, v in columns.items()}
        syn_spec = {
            "synapse_model": projection.nest_synapse_model,
            "synapse_label": projection.nest_synapse_label,
            **columns,
        }
        first, last = (int(end.all_cells[0]) for end in (projection.pre, projection.post))
        nest.Connect(self.pre + first, self.post + last, "one_to_one", syn_spec)
        projection._sources.update((np.unique(self.pre) + first).tolist())


class Unrecorded:
    """In place of what PyNN records with, which is two nodes of NEST for each population: ``record_spikes`` and meters
    do that here."""

    def __init__(self, population):
        pass


class Cells(sim.Population):
    """A population without PyNN's recorder, which is built in two thirds of the time."""

    _recorder_class = Unrecorded


def population(name, model, size, **parameters):
    """Cells of a native NEST model; parameters are one number for all or one per cell."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about parameters that are no numbers, and stay as they are
        kind = sim.native_cell_type(model)
    kind.default_parameters = {}  # or PyNN writes all of them, and NEST takes no empty lists
    kind.uses_parrot = False  # generators drive their cells directly
    cells = Cells(size, kind(), label=name)
    assign(cells, **parameters)
    return cells


def assign(cells, **parameters):
    """Set parameters of a population, in NEST's names and units; ``spike_times`` are a list of arrays, and each
    cell has a row of two-dimensional ones."""
    if "spike_times" in parameters:
        trains = parameters.pop("spike_times")
        write(cells.node_collection, [{"spike_times": np.asarray(t).tolist(), "precise_times": False} for t in trains])
    values = {name: np.asarray(value).tolist() for name, value in parameters.items()}
    own = {name: value for name, value in values.items() if isinstance(value, list)}
    same = {name: value for name, value in values.items() if name not in own}
    each = [dict(zip(own, row, strict=True)) for row in zip(*own.values(), strict=True)] if own else [{}]
    if values:
        write(cells.node_collection, [same | row for row in each])


def write(nodes, parameters):
    """Set parameters of nodes: a dictionary for all of them, or one for each."""
    if _set_status is None:
        nodes.set(parameters)
    elif nodes:
        _set_status(nodes._datum, parameters)


def projection(pre, post, connector, kind):
    """PyNN's, with a receptor that it need not guess and ConnectAll does not use."""
    return sim.Projection(pre, post, connector, kind, receptor_type=post.receptor_types[0])


def connect(pre, post, pre_index, post_index, weight, delay, model="static_synapse", **parameters):
    """Synapses that do not learn, one per entry; delay in ms."""
    if not len(pre_index):
        return None
    # the model's own delay, 1 ms, may lie outside of what the network has, and NEST then refuses to copy it
    native = model != "static_synapse"
    kind = sim.native_synapse_type(model)(delay=sim.get_min_delay()) if native else sim.StaticSynapse()
    return projection(pre, post, ConnectAll(pre_index, post_index, weight, delay, **parameters), kind)


def connect_plastic(pre, post, pre_index, post_index, weight, delay, model, tau_plus, tau_minus, **stdp):
    """NEST's additive STDP with ``lambda``, ``alpha`` and ``Wmax`` per synapse: PyNN's standard mechanism for all pairs
    (stdp_synapse), NEST's own models for nearest ones."""
    if not len(pre_index):
        return None
    if model == "stdp_synapse":
        rule = sim.STDPMechanism(
            timing_dependence=sim.SpikePairRule(tau_plus=tau_plus, tau_minus=tau_minus, A_plus=1.0, A_minus=1.0),
            weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=1.0),
        )
    else:
        rule = sim.native_synapse_type(model)(tau_minus=tau_minus, delay=sim.get_min_delay())
    additive = {"mu_plus": 0.0, "mu_minus": 0.0, "tau_plus": tau_plus}
    return projection(pre, post, ConnectAll(pre_index, post_index, weight, delay, **additive, **stdp), rule)


def record_spikes(cells, delay):
    """A spike recorder, which counts in NEST's ticks. (What PyNN records lacks the last min_delay of a run.)"""
    recorder = nest.Create("spike_recorder", params={"time_in_steps": True})
    nest.Connect(cells.node_collection, recorder, syn_spec={"delay": delay})
    return recorder
