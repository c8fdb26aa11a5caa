"""What runs in Brian2's interpreter, where there is no salhw: one Brian2 network holds all instances of a batch, side
by side, so that neuron n of instance b is neuron b * size + n of its group."""

import itertools

import brian2 as b2
import numpy as np

b2.prefs.codegen.target = "numpy"
GIVEN = ("dice", "forced", "expected")
NUMBERS = itertools.count()
OPEN = {}

CHANCE = {
    "logistic": "hazard / (1 + hazard)",
    "exact": "1 - exp(-hazard)",
}
NEURON = """
chance = {chance} : 1
dice : 1
forced : boolean
free_from : integer
"""
GLM = """
u = bias{inputs} : 1
hazard = exp(clip(u, -500, 500)) * dt / tau_ref : 1
bias : 1
"""
PSP = {"Rectangular": "psp : 1", "Exponential": "dpsp/dt = -psp / tau_syn : 1 (clock-driven)"}
RULE = "rate{r} : 1\ncausal{r} : 1\nanticausal{r} : 1\npre{r} : 1\npost{r} : 1\nsum{r} : 1\n"
SEEN = "sent : 1\nheard : 1\nsent_at : 1\nheard_at : 1\n"
PAIRS = """
pre{r} = pre{r} * fade_causal{r}
post{r} = post{r} * fade_anticausal{r}
sum{r} += heard * causal{r} * (pre{r} * {first_pre} * (1 - {half} * sent) + 0.5 * sent)
sum{r} += sent * anticausal{r} * (post{r} * {first_post} * (1 - {half} * heard) + 0.5 * heard)
pre{r} = pre{r} * (1 - {renewed} * sent) + sent
post{r} = post{r} * (1 - {renewed} * heard) + heard
"""
UPDATE = """
w = clip(w + {due} * rate{r} * sum{r}, low, high)
sum{r} = sum{r} * (1 - {due})
"""
AFTER = """
sent_at = sent_at * (1 - sent) + t_in_timesteps * sent
heard_at = heard_at * (1 - heard) + t_in_timesteps * heard
sent = 0
heard = 0
"""
LATEST = "(0.5 * int({0} > {1}) + 0.5 * int({0} >= {1}))"  # no other spike between; a half if undefined
PAIRINGS = {
    "all": {"half": 0, "renewed": 0, "first_pre": 1, "first_post": 1},
    "nearest_symmetric": {"half": 0.5, "renewed": 1, "first_pre": 1, "first_post": 1},
    "nearest_restricted": {
        "half": 0.5, "renewed": 1,
        "first_pre": LATEST.format("sent_at", "heard_at"), "first_post": LATEST.format("heard_at", "sent_at"),
    },
}  # fmt: skip
DUE = {"spike": "int(sent + heard > 0)", "every": "int((t_in_timesteps + 1) % period{r} == 0)"}


class Simulation:
    def __init__(self, plan):
        self.plan, self.batch, self.dt = plan, plan["batch"], plan["dt"] * b2.ms
        self.rngs = [np.random.Generator(np.random.Philox(key=(plan["seed"] << 64) + k)) for k in plan["ids"]]
        self.clock = b2.Clock(self.dt)
        self.projections = {k: p for k, p in enumerate(plan["projections"]) if len(p["i"])}  # Brian2 wants one synapse
        self.groups = {p["name"]: self.group(p) for p in plan["populations"]}
        self.synapses = {p["name"]: self.projection(k, p) for k, p in self.projections.items()}
        self.spikes = {name: b2.SpikeMonitor(group) for name, group in self.groups.items()}
        self.membranes = {
            name: b2.StateMonitor(self.groups[name], "u", record=True, dt=every * b2.ms, when="before_thresholds")
            for name, every in plan["membranes"].items()
        }
        parts = [self.groups, self.spikes, self.membranes]
        self.network = b2.Network(*[x for part in parts for x in part.values()], *self.synapses.values())
        self.forced = {}
        for step, name, neuron in plan["forced"]:
            self.forced.setdefault((step, name), []).append(neuron)
        self.network.add(b2.NetworkOperation(self.throw, clock=self.clock, when="start"))

    def group(self, p):
        into = [f"in{k}" for k, q in self.projections.items() if q["post"] == p["name"]]
        names = {}
        if p["kind"] == "GLM":
            model = GLM.format(inputs="".join(f" + {name}" for name in into)) + NEURON.format(chance=CHANCE[p["discretisation"]])
            names = {"tau_ref": p["tau_ref"] * b2.ms, "refractory": round(p["tau_ref"] / self.plan["dt"])}
            free, reset = "t_in_timesteps >= free_from and", "free_from = t_in_timesteps + refractory"
        else:
            model, free, reset = "expected : 1\n" + NEURON.format(chance="1 - exp(-expected)"), "", None
        model += "".join(f"{name} : 1\n" for name in into)
        return b2.NeuronGroup(
            self.batch * p["size"], model, threshold=f"forced or ({free} dice < chance)", reset=reset,
            namespace=names, clock=self.clock, name=f"population_{p['name']}*",
        )  # fmt: skip

    def projection(self, k, p):
        pre, post = self.groups[p["pre"]], self.groups[p["post"]]
        model = f"w : 1\ngain : 1\nin{k}_post = gain * w * psp : 1 (summed)\n" + PSP[p["kernel"]] + "\n"
        names = {"tau_syn": p["tau_syn"] * b2.ms}
        on_pre = {"arrive": "psp = 1" if p["last"] else "psp += 1"}
        delay = {"arrive": p["delay"] * b2.ms}
        if p["kernel"] == "Rectangular":
            on_pre["end"], delay["end"] = "psp -= 1", (p["delay"] + p["tau_syn"]) * b2.ms
        if rules := p["rules"]:
            model += SEEN + "".join(RULE.format(r=r) for r in range(len(rules)))
            on_pre["see"], names["low"], names["high"] = "sent = 1", p["low"], p["high"]
        made = b2.Synapses(
            pre, post, model, on_pre=on_pre, on_post="heard = 1" if rules else None, delay=delay, namespace=names,
            clock=self.clock, method="exact",
        )  # fmt: skip
        for summing in made.summed_updaters.values():
            summing.when = "after_groups"  # after PSPs have decayed, which they do in "groups"
        size = {q["name"]: q["size"] for q in self.plan["populations"]}
        shift = np.arange(self.batch)[:, np.newaxis]
        made.connect(i=(p["i"] + shift * size[p["pre"]]).ravel(), j=(p["j"] + shift * size[p["post"]]).ravel())
        if rules:
            made.sent_at = made.heard_at = -1
            self.learn(made, rules)
        return made

    def learn(self, made, rules):
        """Let rules form pairs after each step, and change weights where they are due."""
        code, updates = "", ""
        for r, rule in enumerate(rules):
            for branch in ("causal", "anticausal"):
                setattr(made, f"{branch}{r}", np.tile(rule[branch]["amplitude"], self.batch))
                made.namespace[f"fade_{branch}{r}"] = np.exp(-self.plan["dt"] / rule[branch]["tau"])
            made.namespace[f"period{r}"] = rule["period"]
            code += PAIRS.format(r=r, **PAIRINGS[rule["pairing"]])
            if rule["update"] == "spike":
                code += UPDATE.format(r=r, due=DUE["spike"])
            elif rule["update"] == "every":
                updates += UPDATE.format(r=r, due=DUE["every"].format(r=r))
        made.run_regularly(code + updates + AFTER, when="end", clock=self.clock)

    def throw(self):
        """Give each neuron its random number of this step."""
        step = int(self.clock.timestep[:])
        for name, group in self.groups.items():
            values = {name: variable.get_value() for name, variable in group.variables.items() if name in GIVEN}
            values["dice"][:] = self.dice[name][step - self.first]
            values["forced"][:] = False
            for neuron in self.forced.get((step, name), ()):
                values["forced"][neuron :: len(group) // self.batch] = True
            if name in self.expected:
                values["expected"][:] = np.tile(self.expected[name][step - self.first], self.batch)

    def advance(self, until, expected):
        self.first = int(self.clock.timestep[:])
        steps, self.expected = until - self.first, expected
        sizes = [p["size"] for p in self.plan["populations"]]
        drawn = np.array([rng.random((steps, sum(sizes))) for rng in self.rngs])  # (instance, step, neuron)
        edges = np.cumsum([0, *sizes])
        self.dice = {
            p["name"]: drawn[:, :, a:b].transpose(1, 0, 2).reshape(steps, -1)
            for p, a, b in zip(self.plan["populations"], edges, edges[1:])
        }
        self.network.run(steps * self.dt)
        return sum(monitor.num_spikes - self.before[name] for name, monitor in self.spikes.items())


def load(plan):
    number = next(NUMBERS)
    OPEN[number] = Simulation(plan)
    return number


def write(number, owner, field, rule, value):
    self = OPEN[number]
    if field == "bias":
        self.groups[owner].bias = value.ravel()
    elif field == "weights":
        self.synapses[owner].w = value.ravel()
    elif field == "gain":
        self.synapses[owner].gain = value.ravel()
    else:
        setattr(self.synapses[owner], f"rate{rule}", value.ravel())


def read_weights(number, owner):
    self = OPEN[number]
    return np.array(self.synapses[owner].w).reshape(self.batch, -1)


def begin(number):
    self = OPEN[number]
    self.before = {name: monitor.num_spikes for name, monitor in self.spikes.items()}
    self.sampled = {name: len(monitor.t) for name, monitor in self.membranes.items()}


def advance(number, until, expected):
    return OPEN[number].advance(until, expected)


def finish(number):
    self = OPEN[number]
    for p in self.projections.values():
        for r, rule in enumerate(p["rules"]):
            if rule["update"] == "run":
                made = self.synapses[p["name"]]
                change = getattr(made, f"rate{r}") * getattr(made, f"sum{r}")
                made.w = np.clip(made.w + change, p["low"], p["high"])
                setattr(made, f"sum{r}", 0)


def recorded(number):
    self = OPEN[number]
    spikes, membranes = {}, {}
    for name, monitor in self.spikes.items():
        first, size = self.before[name], len(self.groups[name]) // self.batch
        i = np.array(monitor.i[first:], dtype=np.int64)
        step = np.rint(np.array(monitor.t[first:] / self.dt)).astype(np.int64)
        spikes[name] = i // size, i % size, step
    for name, monitor in self.membranes.items():
        first, size = self.sampled[name], len(self.groups[name]) // self.batch
        values = np.array(monitor.u)[:, first:]
        values = values.reshape(self.batch, size, values.shape[1]).transpose(0, 2, 1)
        membranes[name] = np.array(monitor.t[first:] / b2.ms), np.ascontiguousarray(values)
    return spikes, membranes


def close(number):
    del OPEN[number]
