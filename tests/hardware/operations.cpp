// Pairs (a, b) of 8-bit, then of 16-bit numbers; for each: a + b, a - b, a * b, -a, a << b mod width, a >> b mod width,
// saturate_weight(a) for 8 bits, and the conversions.
#include "ppu.h"
#include <cstdio>

using namespace libnux::vx;

static int32_t take()
{
	int32_t value = 0;
	return std::fread(&value, sizeof(value), 1, stdin) == 1 ? value : 0;
}

static void give(int32_t const value)
{
	std::fwrite(&value, sizeof(value), 1, stdout);
}

template <typename Row, int bits>
static void operations(int32_t const count)
{
	for (int32_t k = 0; k < count; k += Row::size) {
		Row a, b;
		for (size_t i = 0; i < Row::size; ++i) {
			a[i] = static_cast<typename Row::Element>(take());
			b[i] = static_cast<typename Row::Element>(take());
		}
		Row const sum = a + b, difference = a - b, product = a * b, negative = -a;
		for (size_t i = 0; i < Row::size; ++i) {
			int const by = (b[i] % bits + bits) % bits;
			give(sum[i]);
			give(difference[i]);
			give(product[i]);
			give(negative[i]);
			give((a << by)[i]);
			give((a >> by)[i]);
		}
	}
}

int main()
{
	int32_t const bytes = take(), halves = take();
	operations<VectorRowFracSat8, 8>(bytes);
	operations<VectorRowFracSat16, 16>(halves);
	operations<VectorRowMod8, 8>(bytes);
	operations<VectorRowMod16, 16>(halves);
	for (int x = -128; x < 128; ++x) {
		VectorRowFracSat8 const a(static_cast<int8_t>(x));
		give(saturate_weight(a)[5]);
		give(static_cast<VectorRowMod8>(a)[5]);
		give(static_cast<VectorRowFracSat16>(a)[5]);
		give(static_cast<VectorRowFracSat8>(static_cast<VectorRowFracSat16>(a) + VectorRowFracSat16(200))[5]);
		give(static_cast<VectorRowMod16>(static_cast<VectorRowMod8>(a))[5]);
		give(static_cast<VectorRowMod8>(static_cast<VectorRowMod16>(VectorRowFracSat16(static_cast<int16_t>(3 * x))))[5]);
	}
}
