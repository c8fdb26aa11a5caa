"""A plasticity program as C++ for the real chip's plasticity processor (PPU).

The text is what ``PlasticityRule.generate_kernel()`` of pynn_brainscales returns: ``PLASTICITY_RULE_KERNEL`` over
handles of the synapse array, in the vector types of libnux. Nobody can compile it for the chip without the BrainScaleS
software, so ``emulation/`` holds headers of ours under the same names, with which any C++17 compiler builds it. Bit for
bit it computes what ``program.run`` does.
"""

from __future__ import annotations

from pathlib import Path
from string import Template

import numpy as np

from salhw_brainscales2.hardware.processor import COLUMNS
from salhw_brainscales2.hardware.program import FRACTION, STALE_DRAWS, PlasticityProgram
from salhw_brainscales2.hardware.reference import BYTES, ERROR_BITS, LARGEST

HERE = Path(__file__).parent
EMULATION = HERE / "emulation"
"""Include folder for compiling a program without the BrainScaleS software."""
MEMORY = 12 * 1024
"""Bytes of a processor for data and stack: of its 16 KiB the real software's mailbox takes 4. Code lies elsewhere."""
RESERVED = 2 * 1024
"""Of these, for the stack, the scheduler and the libraries: an estimate, which only the real linker can confirm."""
PROCESSOR_MEMORY = MEMORY - RESERVED
"""Bytes of a processor that the data of plasticity rules may take."""

_ROUNDING = {
    "stochastic": """\
	auto const bytes = static_cast<VectorRowMod16>(parallel_rng_rand<VectorRowMod8>());
	return (change + (static_cast<VectorRowFracSat16>(bytes) >> (8 - drop))) >> drop;""",
    "symmetric": """\
	VectorRowFracSat16 const half(1 << (drop - 1));
	return vector_if(change, VectorIfCondition::greater_equal, (change + half) >> drop, -((half - change) >> drop));""",
    "half_up": """\
	return (change + VectorRowFracSat16(1 << (drop - 1))) >> drop;""",
}
_FACTORS: dict[bool, dict[str, str]] = {  # whether all synapses have the same
    True: {
        "factors_too": "",
        "factor_field": "",
        "factor_rows": "constexpr int16_t factor[2] = {$causal, $anticausal};  // of all synapses, as fractions",
        "factor_clearing": "",
        "factor_setting": "",
        "factor_product": """\
	auto const change = odd_product(amplitude(base, read), VectorRowFracSat16(factor[branch]));
	return vector_if(base, VectorIfCondition::greater, change, VectorRowFracSat16(0));""",
    },
    False: {
        "factors_too": ", factors as fractions",
        "factor_field": "\n\tint16_t factor[2];",
        "factor_rows": "std::array<std::array<VectorRowFracSat16, 2>, rows> factor;",
        "factor_clearing": "\n\t\t\tfactor[row][branch] = VectorRowFracSat16(0);",
        "factor_setting": "\n\t\t\tfactor[synapse.row][branch][synapse.column] = synapse.factor[branch];",
        "factor_product": "\treturn odd_product(amplitude(base, read), factor[row][branch]);",
    },
}
_SEEDING = """\
	uint32_t x = 2654435761u * (2 * $seed + static_cast<uint32_t>(ppu) + 1);
	VectorRowMod8 seeds;
	for (size_t column = 0; column < VectorRowMod8::size; ++column) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		seeds[column] = 1 + x % 255;
	}
	parallel_rng_seed(seeds);
	for (size_t i = 0; i < 64; ++i) {
		parallel_rng_rand<VectorRowMod8>();
	}"""
_REFRESHING = """\
		for (size_t k = 0; k < $draws; ++k) {  // a draw has one new bit
			parallel_rng_rand<VectorRowMod8>();
		}"""
_PHASE: dict[bool, dict[str, str]] = {  # whether there is a reference phase
    False: {
        "phase_times": "", "pre_field": "", "phase_functions": "", "counts_parameter": "", "const": " const",
        "phase_step": "", "neurons": " /* neurons */", "counting": "", "counts_argument": "", "scheduling": "",
    },
    True: {
        "phase_times": """\
constexpr uint32_t phase_updates = $updates;    // of a reference phase
constexpr uint32_t updates_between = $every;  // from the end of one to the beginning of the next; 0: there is one
""",
        "pre_field": "\n\tuint8_t pre;  // column of the presynaptic neuron",
        "phase_functions": "$phase",
        "counts_parameter": ", VectorRowMod8 const& spikes",
        "const": "",
        "phase_step": """\
	if (silent) {
		count(row, change, spikes);
	}
	if (!learning) {
		return;
	}
	change -= correction(row, spikes);
""",
        "neurons": " neurons",
        "counting": "\tauto const spikes = salhw::counted(neurons);\n",
        "counts_argument": ", spikes",
        "scheduling": "\tsalhw::schedule(handles, apart);\n",
    },
}  # fmt: skip


def cpp_source(program: PlasticityProgram, chip: int = 0) -> str:
    """The C++ text for one chip of the batch. Its rows are numbered in the order in which the handle holds them."""
    order = _rows(program)
    random = program.rounding == "stochastic" and program.drop > 0
    common = _common_factors(program, chip)
    phase = program.phase
    place = [program.column // COLUMNS, order, program.column % COLUMNS, *([] if phase is None else [phase.pre])]
    lines = [
        f"    {{{', '.join(map(str, at))}, {{{base[0]}, {base[1]}}}"
        + ("}," if common else f", {{{factor[0]}, {factor[1]}}}}},")
        for at, base, factor in zip(
            np.stack(place, axis=1).tolist(),
            program.baseline[chip].T,
            program.factor[chip].T,
            strict=True,
        )
    ]
    text, of_phase = (Template((HERE / "templates" / name).read_text(encoding="utf-8"))
                      for name in ("plasticity.cpp", "phase.cpp"))  # fmt: skip
    filled = {} if phase is None else {
        "updates": phase.updates, "every": phase.every,
        "phase": of_phase.substitute(error_bits=ERROR_BITS, largest=LARGEST),
    }  # fmt: skip
    parts = {name: Template(part).substitute(filled) for name, part in _PHASE[phase is not None].items()}
    draws = STALE_DRAWS if phase is None else f"(salhw::learning ? {STALE_DRAWS} : 0)"
    factors = {name: Template(part).substitute(causal=common[0], anticausal=common[1]) if common else part
               for name, part in _FACTORS[bool(common)].items()}  # fmt: skip
    return text.substitute(
        provenance="the README beside it",
        hidden_bits=program.hidden_bits,
        rows=int(order.max(initial=0)) + 1,
        per_weight=program.rows,
        halvings=program.rows.bit_length() - 1,
        fraction=program.fraction,
        drop=program.drop,
        coarse=program.fraction - program.hidden_bits,
        lowest=program.low << program.fraction,
        highest=program.high << program.fraction,
        synapses="\n".join(lines),
        seeding=Template(_SEEDING).substitute(seed=f"{int(program.seed[chip])}u") if random else "",
        rounding=_ROUNDING[program.rounding] if program.drop else "\treturn change;",
        refreshing=Template(_REFRESHING).substitute(draws=draws) if random else "",
        change_bits=FRACTION + program.guard,
        **factors,
        **parts,
    )


def _common_factors(program: PlasticityProgram, chip: int) -> list[int]:
    """The factors of both branches if all synapses have the same, else nothing. A baseline of zero would be taken for
    no synapse."""
    factor = program.factor[chip]
    same = factor.shape[1] > 0 and bool((factor == factor[:, :1]).all()) and bool((program.baseline[chip] > 0).all())
    return factor[:, 0].tolist() if same else []


def memory(program: PlasticityProgram) -> int:
    """Bytes of a processor's data: for each row (all those of a weight are one) baselines of both branches (16 bit) and
    the hidden bits (8 bit) of all columns, and the table of the synapses; the same of the factors, unless all synapses
    have the same; for each synapse what a reference phase needs. Codes lie in the synapse array."""
    rows = int(_rows(program).max(initial=0)) + 1
    common = all(_common_factors(program, chip) for chip in range(len(program.factor)))
    each = (8 if common else 12) + (0 if program.phase is None else BYTES)
    return rows * COLUMNS * (2 * 2 + 1 + (0 if common else 2 * 2)) + each * len(program.row)


def _rows(program: PlasticityProgram) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Each synapse's row as its hemisphere's handle counts them, (S,)."""
    order = np.empty(len(program.row), dtype=np.int64)
    for hemisphere in np.unique(program.column // COLUMNS):
        here = program.column // COLUMNS == hemisphere
        order[here] = np.unique(program.row[here], return_inverse=True)[1]
    return order
