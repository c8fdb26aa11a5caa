// Spike-pair plasticity for the plasticity processor of BrainScaleS-2, written by salhw (see $provenance).
//
// Every period, for each row: read and reset the correlation sensors, take the reads from the baselines (reads fall),
// multiply by the factors, round, and add to the weights, which keep $hidden_bits hidden bits here beside the 6-bit codes
// in the synapse array. A weight is the code of its excitatory synapse minus that of its inhibitory one; where it takes
// $per_weight of either, their sum. The sensors of the first excitatory row are the ones that are read.
//
// The rule belongs to projections with the same connections: first all excitatory, then all inhibitory ones.

#include "grenade/vx/ppu/neuron_view_handle.h"
#include "grenade/vx/ppu/synapse_array_view_handle.h"
#include "grenade/vx/ppu/time.h"
#include "hate/tuple.h"
#include "libnux/vx/parallel_rng.h"
#include "libnux/vx/vector_if.h"
#include "libnux/vx/vector_row.h"
#include "libnux/vx/vector_row_math.h"
#include <array>
#include <cstddef>
#include <cstdint>

using namespace grenade::vx::ppu;
using namespace libnux::vx;
extern volatile PPUOnDLS ppu;

// The sources of several rules are linked into one program: nothing of this one may be seen by the others.
namespace salhw {
namespace {

constexpr size_t rows = $rows;
constexpr size_t per_weight = $per_weight;       // synapses of either sign
constexpr int halvings = $halvings;          // by which a code is divided among them
constexpr int fraction = $fraction;          // bits of a weight below its code
constexpr int drop = $drop;              // bits that rounding removes from a change
constexpr int coarse = $coarse;            // bits of the stored fraction that stay zero
constexpr int16_t lowest = $lowest;     // bounds in 2^-fraction codes
constexpr int16_t highest = $highest;
$phase_times
// What is particular to a synapse: baselines in 1/128 LSB$factors_too; causal branch first.
struct Synapse
{
	uint8_t hemisphere;
	uint8_t row;
	uint8_t column;$pre_field
	int16_t baseline[2];$factor_field
};

constexpr Synapse synapses[] = {
$synapses
};

// The same as whole rows, as the vector unit needs them; zero where there is no synapse.
std::array<std::array<VectorRowFracSat16, 2>, rows> baseline;
$factor_rows
std::array<VectorRowFracSat8, rows> residual;  // hidden bits, in 2^-fraction codes around the code
bool ready = false;

inline void initialise()
{
	for (size_t row = 0; row < rows; ++row) {
		for (size_t branch = 0; branch < 2; ++branch) {
			baseline[row][branch] = VectorRowFracSat16(0);$factor_clearing
		}
		residual[row] = VectorRowFracSat8(0);
	}
	for (auto const& synapse : synapses) {
		if (synapse.hemisphere != static_cast<uint32_t>(ppu)) {
			continue;
		}
		for (size_t branch = 0; branch < 2; ++branch) {
			baseline[synapse.row][branch][synapse.column] = synapse.baseline[branch];$factor_setting
		}
	}
$seeding
	ready = true;
}

// The fall of a read below its baseline, in 1/128 LSB.
inline VectorRowFracSat16 amplitude(VectorRowFracSat16 const& base, VectorRowMod8 const& read)
{
	return base - (static_cast<VectorRowFracSat16>(static_cast<VectorRowMod16>(read)) << 7);
}

// Twice the product. A product alone rounds downwards, which would drive the weights; this is odd in a.
inline VectorRowFracSat16 odd_product(VectorRowFracSat16 const& a, VectorRowFracSat16 const& b)
{
	return a * b - (-a) * b;
}

// What the pairs of a branch change, in 2^-$change_bits codes; nothing where there is no synapse.
inline VectorRowFracSat16 changed(size_t const row, size_t const branch, VectorRowMod8 const& read)
{
	auto const& base = baseline[row][branch];
$factor_product
}

inline VectorRowFracSat16 rounded(VectorRowFracSat16 const& change)
{
$rounding
}

// Whole codes from 2^-fraction ones, downwards; zero for what is negative.
inline VectorRowMod16 whole(VectorRowFracSat16 const& codes)
{
	return static_cast<VectorRowMod16>(vector_if(codes, VectorIfCondition::greater, codes, VectorRowFracSat16(0))) >> fraction;
}

// What a synapse holds of a code: shares as equal as whole numbers are.
inline VectorRowMod8 share(VectorRowMod16 const& code, size_t const part)
{
	return static_cast<VectorRowMod8>((code + VectorRowMod16(part)) >> halvings);
}

// Writes codes, ``above`` zero and ``below`` zero, without their signs. ``excitatory``, ``inhibitory``: the first handle of
// either; those of a weight's other synapses are ``apart`` from it.
template <size_t N>
inline void write(std::array<SynapseArrayViewHandle, N>& handles, size_t const excitatory, size_t const inhibitory,
                  size_t const apart, size_t const row, VectorRowMod16 const& above, VectorRowMod16 const& below)
{
	for (size_t part = 0; part < per_weight; ++part) {
		handles[excitatory + part * apart].set_weights(share(above, part), row);
		handles[inhibitory + part * apart].set_weights(share(below, part), row);
	}
}
$phase_functions
template <size_t N>
inline void update(std::array<SynapseArrayViewHandle, N>& handles, size_t const excitatory, size_t const inhibitory,
                   size_t const apart, size_t const row$counts_parameter)
{
	auto const read = handles[excitatory].get_correlation(row, true);
	auto$const change = changed(row, 0, read.causal) + changed(row, 1, read.acausal);
$phase_step
	auto weight = static_cast<VectorRowFracSat16>(residual[row]) >> 8;
	for (size_t part = 0; part < per_weight; ++part) {
		auto const held = static_cast<VectorRowFracSat8>(handles[excitatory + part * apart].get_weights(row)) -
		                  static_cast<VectorRowFracSat8>(handles[inhibitory + part * apart].get_weights(row));
		weight += static_cast<VectorRowFracSat16>(held) >> (8 - fraction);
	}
	weight += rounded(change) << coarse;
	VectorRowFracSat16 const low(lowest);
	VectorRowFracSat16 const high(highest);
	weight = vector_if(weight - high, VectorIfCondition::greater, high, weight);
	weight = vector_if(weight - low, VectorIfCondition::lesser, low, weight);

	// The code is floor(nearest / 2^fraction); of its negative the same is floor((2^fraction - 1 - nearest) / 2^fraction).
	auto const nearest = weight + VectorRowFracSat16(1 << (fraction - 1));
	auto const above = whole(nearest), below = whole(VectorRowFracSat16((1 << fraction) - 1) - nearest);
	auto const code = static_cast<VectorRowFracSat16>(above) - static_cast<VectorRowFracSat16>(below);
	residual[row] = static_cast<VectorRowFracSat8>((weight - (code << fraction)) << 8);
	write(handles, excitatory, inhibitory, apart, row, above, below);
}

} // namespace
} // namespace salhw

template <size_t N, size_t M>
void PLASTICITY_RULE_KERNEL(
    std::array<SynapseArrayViewHandle, N>& handles, std::array<NeuronViewHandle, M>&$neurons, Recording& recording)
{
	static_assert(N % (2 * salhw::per_weight) == 0, "as many inhibitory projections as excitatory ones");
	constexpr size_t apart = N / (2 * salhw::per_weight);  // handles of a projection: one per hemisphere
	recording.time = now();
	if (!salhw::ready) {
		salhw::initialise();
	}
$counting	for (size_t i = 0; i < apart; ++i) {
		if (handles[i].hemisphere != ppu) {
			continue;
		}
$refreshing
		for (size_t row = 0; row < handles[i].rows.size(); ++row) {
			salhw::update(handles, i, N / 2 + i, apart, row$counts_argument);
		}
	}
	hate::for_each(
	    [](SynapseArrayViewHandle const& handle, auto& record) {
		    if (handle.hemisphere != ppu) {
			    return;
		    }
		    for (size_t row = 0; row < handle.rows.size(); ++row) {
			    auto const weights = handle.get_weights(row);
			    for (size_t i = 0; i < handle.columns.size(); ++i) {
				    record[row][i] = weights[handle.columns[i]];
			    }
		    }
	    },
	    handles, recording.w);
$scheduling}
