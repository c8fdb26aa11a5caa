// Runs a plasticity program on one hemisphere: 32-bit integers from standard input, results to standard output.
//   in:  hemisphere, rows, updates, number of columns, the columns, the taps of all generators,
//        the weights -63..63 (rows x 256), and for each update the causal, then the anti-causal reads (rows x 256 each)
//   out: for each update the weights and the residuals (rows x 256 each); at the end the states of all generators
// Exit status 3: the program left something undone that no weight shows.
#include "ppu.h"
#include <cstdio>
#include <cstdlib>

struct Recording
{
	uint64_t time;
	std::tuple<std::vector<std::vector<uint8_t>>, std::vector<std::vector<uint8_t>>> w;
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
	std::array<SynapseArrayViewHandle, 2> handles;  // excitatory in even rows, inhibitory in odd ones
	for (size_t i = 0; i < count; ++i) {
		handles[0].columns.push_back(static_cast<uint8_t>(take()));
	}
	handles[1].columns = handles[0].columns;
	for (size_t row = 0; row < rows; ++row) {
		handles[0].rows.push_back(static_cast<uint8_t>(2 * row));
		handles[1].rows.push_back(static_cast<uint8_t>(2 * row + 1));
	}
	handles[0].hemisphere = handles[1].hemisphere = ::ppu;
	for (auto& taps : libnux::vx::generators.taps) {
		taps = static_cast<uint16_t>(take());
	}
	for (size_t row = 0; row < rows; ++row) {
		for (size_t column = 0; column < width; ++column) {
			int32_t const weight = take();
			grenade::vx::ppu::array.weights[2 * row][column] = static_cast<uint8_t>(weight > 0 ? weight : 0);
			grenade::vx::ppu::array.weights[2 * row + 1][column] = static_cast<uint8_t>(weight < 0 ? -weight : 0);
		}
	}
	Recording recording;
	std::vector<std::vector<uint8_t>> const record(rows, std::vector<uint8_t>(count));
	recording.w = {record, record};
	std::array<NeuronViewHandle, 0> neurons;
	for (size_t update = 0; update < updates; ++update) {
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
			auto const excitatory = handles[0].get_weights(row), inhibitory = handles[1].get_weights(row);
			for (size_t i = 0; i < count; ++i) {
				auto const column = handles[0].columns[i];
				bool const recorded = std::get<0>(recording.w)[row][i] == excitatory[column] &&
				                      std::get<1>(recording.w)[row][i] == inhibitory[column];
				if (!recorded || (excitatory[column] && inhibitory[column]) ||
				    grenade::vx::ppu::array.resets[2 * row] != update + 1) {
					return 3;
				}
			}
			for (size_t column = 0; column < width; ++column) {
				give(static_cast<int32_t>(excitatory[column]) - static_cast<int32_t>(inhibitory[column]));
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
