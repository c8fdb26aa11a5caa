"""What runs in Brian2's interpreter, where there is no salhw: one Brian2 network holds all instances of a batch, side
by side, so that neuron n of instance b is neuron b * size + n of its group."""

import brian2 as b2
import numpy as np

b2.prefs.codegen.target = "numpy"
OPEN = {}
GIVEN = "dice : 1\nforced : boolean\nexpected : 1\n"  # by ``throw``, at the beginning of each step
GLM = """
u = bias{inputs} : 1
hazard = exp(clip(u, -500, 500)) * dt / tau_ref : 1
bias : 1
free_from : integer
"""
CHANCE = {"logistic": "hazard / (1 + hazard)", "exact": "1 - exp(-hazard)"}
PSP = {"Rectangular": "psp : 1\n", "Exponential": "dpsp/dt = -psp / tau_syn : 1 (clock-driven)\n"}
SEEN = "sent : 1\nheard : 1\nsent_at : 1\nheard_at : 1\n"
RULE = "rate{r} : 1\ncausal{r} : 1\nanticausal{r} : 1\npre{r} : 1\npost{r} : 1\nsum{r} : 1\n"
PAIRS = """
pre{r} = pre{r} * fade_causal{r}
post{r} = post{r} * fade_anticausal{r}
sum{r} += heard * causal{r} * (pre{r} * {first_pre} * (1 - {half} * sent) + 0.5 * sent)
sum{r} += sent * anticausal{r} * (post{r} * {first_post} * (1 - {half} * heard) + 0.5 * heard)
pre{r} = pre{r} * (1 - {renewed} * sent) + sent
post{r} = post{r} * (1 - {renewed} * heard) + heard
"""
LATEST = "(0.5 * int({0} > {1}) + 0.5 * int({0} >= {1}))"  # no other spike between; a half if undefined
ANY = {"first_pre": 1, "first_post": 1}
BETWEEN = {"first_pre": LATEST.format("sent_at", "heard_at"), "first_post": LATEST.format("heard_at", "sent_at")}
PAIRINGS = {
    "all": {"half": 0, "renewed": 0, **ANY},
    "nearest_symmetric": {"half": 0.5, "renewed": 1, **ANY},
    "nearest_restricted": {"half": 0.5, "renewed": 1, **BETWEEN},
}
DUE = {"spike": "int(sent + heard > 0)", "every": "int((t_in_timesteps + 1) % period{r} == 0)"}
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


class Simulation:
    def __init__(self, plan):
        self.plan, self.batch, self.dt = plan, plan["batch"], plan["dt"] * b2.ms
        self.rngs = [np.random.Generator(np.random.Philox(key=(plan["seed"] << 64) + k)) for k in plan["ids"]]
        self.clock = b2.Clock(self.dt)
        self.sizes = {p["name"]: p["size"] for p in plan["populations"]}
        self.projections = {k: p for k, p in enumerate(plan["projections"]) if len(p["i"])}  # Brian2 wants one synapse
        self.groups = {p["name"]: self.group(p) for p in plan["populations"]}
        self.synapses = {p["name"]: self.projection(k, p) for k, p in self.projections.items()}
        self.spikes = {name: b2.SpikeMonitor(group) for name, group in self.groups.items()}
        self.membranes = {
            name: b2.StateMonitor(self.groups[name], "u", record=True, dt=every * b2.ms, when="before_thresholds")
            for name, every in plan["membranes"].items()
        }
        parts = (self.groups, self.synapses, self.spikes, self.membranes)
        self.network = b2.Network(*(x for part in parts for x in part.values()))
        self.network.add(b2.NetworkOperation(self.throw, clock=self.clock, when="start"))

    def group(self, p):
        inputs = [f"in{k}" for k, q in self.projections.items() if q["post"] == p["name"]]
        model, names = GIVEN + "".join(f"{name} : 1\n" for name in inputs), {}  # sources have inputs, and ignore them
        options = {"threshold": "forced or dice < 1 - exp(-expected)"}
        if p["kind"] == "GLM":
            model += GLM.format(inputs="".join(f" + {name}" for name in inputs))
            model += f"chance = {CHANCE[p['discretisation']]} : 1\n"
            names = {"tau_ref": p["tau_ref"] * b2.ms, "refractory": round(p["tau_ref"] / self.plan["dt"])}
            options = {
                "threshold": "forced or (t_in_timesteps >= free_from and dice < chance)",
                "reset": "free_from = t_in_timesteps + refractory",
            }
        return b2.NeuronGroup(self.batch * p["size"], model, namespace=names, clock=self.clock, **options)

    def projection(self, k, p):
        model = f"w : 1\ngain : 1\nin{k}_post = gain * w * psp : 1 (summed)\n" + PSP[p["kernel"]]
        names = {"tau_syn": p["tau_syn"] * b2.ms, "low": p["low"], "high": p["high"]}
        on_pre, delay = {"arrive": "psp = 1" if p["last"] else "psp += 1"}, {"arrive": p["delay"] * b2.ms}
        if p["kernel"] == "Rectangular":
            on_pre["end"], delay["end"] = "psp -= 1", (p["delay"] + p["tau_syn"]) * b2.ms
        if rules := p["rules"]:
            model += SEEN + "".join(RULE.format(r=r) for r in range(len(rules)))
            on_pre["see"] = "sent = 1"
        made = b2.Synapses(
            self.groups[p["pre"]], self.groups[p["post"]], model, on_pre=on_pre, on_post="heard = 1" if rules else None,
            delay=delay, namespace=names, clock=self.clock, method="exact",
        )  # fmt: skip
        for summing in made.summed_updaters.values():
            summing.when = "after_groups"  # after PSPs have decayed, which they do in "groups"
        shifts = np.arange(self.batch)[:, None] * (self.sizes[p["pre"]], self.sizes[p["post"]])
        made.connect(i=(shifts[:, :1] + p["i"]).ravel(), j=(shifts[:, 1:] + p["j"]).ravel())
        if rules:
            self.learn(made, rules)
        return made

    def learn(self, made, rules):
        """Let rules form pairs after each step, and change weights where they are due."""
        made.sent_at = made.heard_at = -1
        on_spike, periodic = "", ""
        for r, rule in enumerate(rules):
            for branch in ("causal", "anticausal"):
                setattr(made, f"{branch}{r}", np.tile(rule[branch]["amplitude"], self.batch))
                made.namespace[f"fade_{branch}{r}"] = np.exp(-self.plan["dt"] / rule[branch]["tau"])
            made.namespace[f"period{r}"] = rule["period"]
            on_spike += PAIRS.format(r=r, **PAIRINGS[rule["pairing"]])
            if rule["update"] == "spike":
                on_spike += UPDATE.format(r=r, due=DUE["spike"])
            elif rule["update"] == "every":
                periodic += UPDATE.format(r=r, due=DUE["every"].format(r=r))
        made.run_regularly(on_spike + periodic + AFTER, when="end", clock=self.clock)

    def throw(self):
        """Give each neuron what it is to know at this step: its random number, and what stimuli do to it."""
        step = int(self.clock.timestep[:])
        forced = [(name, neuron) for when, name, neuron in self.plan["forced"] if when == step]
        for name, group in self.groups.items():
            dice, here, expected = (group.variables[v].get_value() for v in ("dice", "forced", "expected"))
            dice[:], here[:] = self.dice[name][step - self.first], False
            for neuron in (neuron for other, neuron in forced if other == name):
                here[neuron :: self.sizes[name]] = True
            if name in self.expected:
                expected[:] = np.tile(self.expected[name][step - self.first], self.batch)

    def begin(self):
        self.before = {name: monitor.num_spikes for name, monitor in self.spikes.items()}
        self.sampled = {name: len(monitor.t) for name, monitor in self.membranes.items()}

    def advance(self, until, expected):
        """Run to a step; what each instance draws does not depend on where the calls end."""
        self.first, self.expected = int(self.clock.timestep[:]), expected
        steps, edges = until - self.first, np.cumsum([0, *self.sizes.values()])
        drawn = np.array([rng.random((steps, edges[-1])) for rng in self.rngs]).transpose(1, 0, 2)
        here = zip(self.sizes, edges, edges[1:], strict=False)
        self.dice = {name: drawn[:, :, low:high].reshape(steps, -1) for name, low, high in here}
        self.network.run(steps * self.dt)
        return sum(monitor.num_spikes - self.before[name] for name, monitor in self.spikes.items())

    def finish(self):
        for p in self.projections.values():
            made = self.synapses[p["name"]]
            for r, rule in enumerate(p["rules"]):
                if rule["update"] == "run end":
                    change = getattr(made, f"rate{r}") * getattr(made, f"sum{r}")
                    made.w = np.clip(made.w + change, p["low"], p["high"])
                    setattr(made, f"sum{r}", 0)

    def recorded(self):
        """The spikes of this run (instance, neuron, step), and membranes (time, values), by population."""
        spikes, membranes = {}, {}
        for name, monitor in self.spikes.items():
            i, time = (np.array(x[self.before[name] :]) for x in (monitor.i, monitor.t / self.dt))
            spikes[name] = *np.divmod(i.astype(np.int64), self.sizes[name]), np.rint(time).astype(np.int64)
        for name, monitor in self.membranes.items():
            values = np.array(monitor.u)[:, self.sampled[name] :]
            values = values.reshape(self.batch, self.sizes[name], values.shape[1]).transpose(0, 2, 1)
            membranes[name] = np.array(monitor.t[self.sampled[name] :] / b2.ms), np.ascontiguousarray(values)
        return spikes, membranes

    def read(self, projection):
        return np.array(self.synapses[projection].w).reshape(self.batch, -1)

    def write(self, owner, variable, value):
        setattr(self.groups[owner] if variable == "bias" else self.synapses[owner], variable, value.ravel())


def load(key, plan):
    OPEN[key] = Simulation(plan)


def call(key, method, *args):
    return getattr(OPEN[key], method)(*args)


def close(key):
    del OPEN[key]
