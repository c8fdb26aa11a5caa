// Two rules in one program, in turn: 32-bit integers from standard input, results to standard output.
//   in:  columns, updates, the taps of all generators, then for each rule its weights -63..63 (columns), and for each
//        update and rule the causal, then the anti-causal reads (columns each)
//   out: for each update and rule the weights (columns)
#include "ppu.h"
#include <cstdio>
#include <cstdlib>

struct Recording
{
	uint64_t time;
	std::tuple<std::vector<std::vector<uint8_t>>, std::vector<std::vector<uint8_t>>> w;
};

using namespace grenade::vx::ppu;
typedef void Rule(std::array<SynapseArrayViewHandle, 2>&, std::array<NeuronViewHandle, 0>&, Recording&);
Rule plasticity_rule_0, plasticity_rule_1;

volatile libnux::vx::PPUOnDLS ppu = libnux::vx::PPUOnDLS::top;

static int32_t take()
{
	int32_t value;
	if (std::fread(&value, sizeof(value), 1, stdin) != 1) {
		std::exit(4);
	}
	return value;
}

int main()
{
	size_t const columns = take(), updates = take();
	for (auto& taps : libnux::vx::generators.taps) {
		taps = static_cast<uint16_t>(take());
	}
	Rule* const rules[2] = {plasticity_rule_0, plasticity_rule_1};
	std::array<SynapseArrayViewHandle, 2> handles[2];
	for (size_t rule = 0; rule < 2; ++rule) {
		for (size_t sign = 0; sign < 2; ++sign) {
			handles[rule][sign].hemisphere = libnux::vx::PPUOnDLS::top;
			handles[rule][sign].rows = {static_cast<uint8_t>(2 * rule + sign)};
			for (size_t column = 0; column < columns; ++column) {
				handles[rule][sign].columns.push_back(static_cast<uint8_t>(column));
			}
		}
		for (size_t column = 0; column < columns; ++column) {
			int32_t const weight = take();
			array.weights[2 * rule][column] = static_cast<uint8_t>(weight > 0 ? weight : 0);
			array.weights[2 * rule + 1][column] = static_cast<uint8_t>(weight < 0 ? -weight : 0);
		}
	}
	std::vector<std::vector<uint8_t>> const record(1, std::vector<uint8_t>(columns));
	Recording recording{0, {record, record}};
	std::array<NeuronViewHandle, 0> neurons;
	for (size_t update = 0; update < updates; ++update) {
		for (size_t rule = 0; rule < 2; ++rule) {
			for (auto* const branch : {&array.causal, &array.acausal}) {
				for (size_t column = 0; column < columns; ++column) {
					(*branch)[2 * rule][column] = static_cast<uint8_t>(take());
				}
			}
			rules[rule](handles[rule], neurons, recording);
			for (size_t column = 0; column < columns; ++column) {
				int32_t const weight = static_cast<int32_t>(array.weights[2 * rule][column]) -
				                       static_cast<int32_t>(array.weights[2 * rule + 1][column]);
				std::fwrite(&weight, sizeof(weight), 1, stdout);
			}
		}
	}
}
