// Runs a plasticity program on one hemisphere: 32-bit integers from standard input, results to standard output.
// PER_WEIGHT is how many synapses of either sign make a weight: those of number k lie k * rows row pairs further on.
//   in:  hemisphere, rows, updates, number of columns, the columns, the taps of all generators,
//        the weights -63..63 (of each synapse; rows x 256), and for each update the causal, then the anti-causal reads
//        (rows x 256 each), with COUNTING before them the spikes of the neurons of all columns since the last update
//   out: for each update the weights and the residuals (rows x 256 each), with COUNTING the weights as they are recorded,
//        before a phase begins or ends; at the end the states of all generators
// Exit status 3: the program left something undone that no weight shows.
#include "ppu.h"
#include <cstdio>
#include <cstdlib>

#ifndef PER_WEIGHT
#define PER_WEIGHT 1
#endif
#ifndef COUNTING
#define COUNTING 0
#endif

struct Recording
{
	uint64_t time;
	std::array<std::vector<std::vector<uint8_t>>, 2 * PER_WEIGHT> w;
};

#define PLASTICITY_RULE_KERNEL plasticity_rule_kernel
#include PPU_PROGRAM

volatile libnux::vx::PPUOnDLS ppu;

static int32_t take()
{
	int32_t value;
	if (std::fread(&value, sizeof(value), 1, stdin) != 1) {
		std::exit(4);
	}
	return value;
}

static void give(int32_t const value)
{
	std::fwrite(&value, sizeof(value), 1, stdout);
}

int main()
{
	using namespace grenade::vx::ppu;
	constexpr size_t width = libnux::vx::columns_per_row;
	::ppu = static_cast<libnux::vx::PPUOnDLS>(take());
	size_t const rows = take(), updates = take(), count = take();
	std::array<SynapseArrayViewHandle, 2 * PER_WEIGHT> handles;  // excitatory in even rows, inhibitory in odd ones
	for (size_t i = 0; i < count; ++i) {
		handles[0].columns.push_back(static_cast<uint8_t>(take()));
	}
	for (size_t part = 0; part < PER_WEIGHT; ++part) {
		for (auto* const handle : {&handles[part], &handles[PER_WEIGHT + part]}) {
			handle->columns = handles[0].columns;
			handle->hemisphere = ::ppu;
		}
		for (size_t row = 0; row < rows; ++row) {
			handles[part].rows.push_back(static_cast<uint8_t>(2 * (part * rows + row)));
			handles[PER_WEIGHT + part].rows.push_back(static_cast<uint8_t>(2 * (part * rows + row) + 1));
		}
	}
	for (auto& taps : libnux::vx::generators.taps) {
		taps = static_cast<uint16_t>(take());
	}
	for (size_t row = 0; row < rows; ++row) {
		for (size_t column = 0; column < width; ++column) {
			int32_t const weight = take();
			for (int32_t part = 0; part < PER_WEIGHT; ++part) {
				auto* const pair = &grenade::vx::ppu::array.weights[2 * (part * rows + row)];
				pair[0][column] = static_cast<uint8_t>(weight > 0 ? (weight + part) / PER_WEIGHT : 0);
				pair[1][column] = static_cast<uint8_t>(weight < 0 ? (part - weight) / PER_WEIGHT : 0);
			}
		}
	}
	Recording recording;
	std::vector<std::vector<uint8_t>> const record(rows, std::vector<uint8_t>(count));
	recording.w.fill(record);
	std::array<NeuronViewHandle, COUNTING> neurons;
	for (auto& handle : neurons) {
		handle.hemisphere = ::ppu;
		for (size_t column = 0; column < width; ++column) {
			handle.columns.push_back(static_cast<uint8_t>(column));
		}
	}
	for (size_t update = 0; update < updates; ++update) {
		for (size_t column = 0; COUNTING && column < width; ++column) {
			grenade::vx::ppu::spikes[column] = static_cast<uint32_t>(take());
		}
		for (size_t row = 0; row < rows; ++row) {
			for (size_t column = 0; column < width; ++column) {
				grenade::vx::ppu::array.causal[2 * row][column] = static_cast<uint8_t>(take());
			}
		}
		for (size_t row = 0; row < rows; ++row) {
			for (size_t column = 0; column < width; ++column) {
				grenade::vx::ppu::array.acausal[2 * row][column] = static_cast<uint8_t>(take());
			}
		}
		plasticity_rule_kernel(handles, neurons, recording);
		for (size_t row = 0; row < rows; ++row) {
			std::array<int32_t, width> sum{};
			for (size_t part = 0; part < PER_WEIGHT; ++part) {
				auto const excitatory = handles[part].get_weights(row), inhibitory = handles[PER_WEIGHT + part].get_weights(row);
				for (size_t i = 0; i < count; ++i) {
					auto const column = handles[0].columns[i];
					bool const recorded = COUNTING || (recording.w[part][row][i] == excitatory[column] &&
					                                   recording.w[PER_WEIGHT + part][row][i] == inhibitory[column]);
					if (!recorded || excitatory[column] > 63 || inhibitory[column] > 63 ||
					    (excitatory[column] && inhibitory[column]) ||
					    grenade::vx::ppu::array.resets[2 * row] != update + 1) {
						return 3;
					}
				}
				for (size_t i = 0; COUNTING && i < count; ++i) {
					sum[handles[0].columns[i]] += static_cast<int32_t>(recording.w[part][row][i]) -
					                              static_cast<int32_t>(recording.w[PER_WEIGHT + part][row][i]);
				}
				for (size_t column = 0; !COUNTING && column < width; ++column) {
					sum[column] += static_cast<int32_t>(excitatory[column]) - static_cast<int32_t>(inhibitory[column]);
				}
			}
			for (auto const weight : sum) {
				give(weight);
			}
		}
		for (size_t row = 0; row < rows; ++row) {
			for (size_t column = 0; column < width; ++column) {
				give(salhw::residual[row][column]);
			}
		}
	}
	for (auto const state : libnux::vx::generators.state) {
		give(state);
	}
}
