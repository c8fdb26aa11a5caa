// One rule as the real software compiles it: a source of its own, in which the kernel has a name with the rule's number.
#include "ppu.h"

struct Recording
{
	uint64_t time;
	std::tuple<std::vector<std::vector<uint8_t>>, std::vector<std::vector<uint8_t>>> w;
};

#include PPU_PROGRAM

void RULE(
    std::array<grenade::vx::ppu::SynapseArrayViewHandle, 2>& synapses,
    std::array<grenade::vx::ppu::NeuronViewHandle, 0>& neurons,
    Recording& recording)
{
	PLASTICITY_RULE_KERNEL(synapses, neurons, recording);
}
