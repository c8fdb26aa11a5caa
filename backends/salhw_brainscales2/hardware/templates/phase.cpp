// What a synapse needs of a reference phase. A processor works on those of its own hemisphere.
struct Measured
{
	int32_t error;      // in 2^-$error_bits units of a change per product of spikes; in a phase the sum of changes
	uint32_t products;  // their sum
	int16_t code;       // while it is silent
};

Measured measured[sizeof(synapses) / sizeof(synapses[0])];
bool silent = false;    // in a phase
bool learning = false;  // after one
uint32_t done = 0;      // updates of what is going on

inline bool lies_in(Synapse const& synapse, size_t const row)
{
	return synapse.hemisphere == static_cast<uint32_t>(ppu) && synapse.row == row;
}

// Spikes since the last update of the neurons of all columns. The counters stop at 255.
template <size_t M>
inline VectorRowMod8 counted(std::array<NeuronViewHandle, M>& neurons)
{
	VectorRowMod8 spikes(0);
	for (auto const& handle : neurons) {
		if (handle.hemisphere == ppu) {
			auto const counters = handle.get_rate_counters(true);
			for (auto const column : handle.columns) {
				spikes[column] = counters[column];
			}
		}
	}
	return spikes;
}

inline int32_t product(Synapse const& synapse, VectorRowMod8 const& spikes)
{
	return static_cast<int32_t>(spikes[synapse.column]) * static_cast<int32_t>(spikes[synapse.pre]);
}

inline void count(size_t const row, VectorRowFracSat16 const& change, VectorRowMod8 const& spikes)
{
	for (size_t k = 0; k < sizeof(synapses) / sizeof(synapses[0]); ++k) {
		if (lies_in(synapses[k], row)) {
			measured[k].error += change[synapses[k].column];
			measured[k].products += product(synapses[k], spikes);
		}
	}
}

// What the error makes of the spikes since the last update, to the nearest.
inline VectorRowFracSat16 correction(size_t const row, VectorRowMod8 const& spikes)
{
	VectorRowFracSat16 taken(0);
	for (size_t k = 0; k < sizeof(synapses) / sizeof(synapses[0]); ++k) {
		if (lies_in(synapses[k], row)) {
			int64_t const exact = static_cast<int64_t>(measured[k].error) * product(synapses[k], spikes);
			int64_t const whole = (exact + (1 << $error_bits >> 1)) >> $error_bits;
			taken[synapses[k].column] = static_cast<int16_t>(whole > 32767 ? 32767 : (whole < -32768 ? -32768 : whole));
		}
	}
	return taken;
}

// sum / products in 2^-$error_bits, to the nearest, with 32 bits.
inline int32_t quotient(int32_t const sum, uint32_t const products)
{
	uint32_t const size = sum < 0 ? 0u - static_cast<uint32_t>(sum) : static_cast<uint32_t>(sum);
	uint32_t const whole = size / products < $largest ? size / products : $largest;
	uint32_t const below = (((size % products) << $error_bits) + products / 2) / products;
	auto const error = static_cast<int32_t>((whole << $error_bits) + below);
	return sum < 0 ? -error : error;
}

template <size_t N>
inline void silence(std::array<SynapseArrayViewHandle, N>& handles, size_t const excitatory, size_t const inhibitory,
                    size_t const apart, size_t const row)
{
	for (size_t part = 0; part < per_weight; ++part) {
		auto const above = handles[excitatory + part * apart].get_weights(row);
		auto const below = handles[inhibitory + part * apart].get_weights(row);
		for (size_t k = 0; k < sizeof(synapses) / sizeof(synapses[0]); ++k) {
			if (lies_in(synapses[k], row)) {
				auto const before = part ? measured[k].code : 0;
				auto const column = synapses[k].column;
				measured[k] = {0, 0, static_cast<int16_t>(before + above[column] - below[column])};
			}
		}
	}
	write(handles, excitatory, inhibitory, apart, row, VectorRowMod16(0), VectorRowMod16(0));
}

template <size_t N>
inline void resume(std::array<SynapseArrayViewHandle, N>& handles, size_t const excitatory, size_t const inhibitory,
                   size_t const apart, size_t const row)
{
	VectorRowMod16 above(0), below(0);
	for (size_t k = 0; k < sizeof(synapses) / sizeof(synapses[0]); ++k) {
		if (lies_in(synapses[k], row)) {
			auto& here = measured[k];
			above[synapses[k].column] = static_cast<uint16_t>(here.code > 0 ? here.code : 0);
			below[synapses[k].column] = static_cast<uint16_t>(here.code < 0 ? -here.code : 0);
			here.error = here.products ? quotient(here.error, here.products) : 0;
		}
	}
	write(handles, excitatory, inhibitory, apart, row, above, below);
}

// After an update: a phase ends, or begins, where it is time. The first update is at the start, and begins one.
template <size_t N>
inline void schedule(std::array<SynapseArrayViewHandle, N>& handles, size_t const apart)
{
	++done;
	bool const ends = silent && done == phase_updates;
	bool const begins = !silent && (!learning || done == updates_between);
	if (!ends && !begins) {
		return;
	}
	for (size_t i = 0; i < apart; ++i) {
		if (handles[i].hemisphere != ppu) {
			continue;
		}
		for (size_t row = 0; row < handles[i].rows.size(); ++row) {
			begins ? silence(handles, i, N / 2 + i, apart, row) : resume(handles, i, N / 2 + i, apart, row);
		}
	}
	silent = begins;
	learning = ends;
	done = 0;
}
