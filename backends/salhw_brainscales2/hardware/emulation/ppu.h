// The part of libnux and grenade that a plasticity program of salhw uses, for any C++17 compiler: the documented semantics
// of the vector types, and a synapse array in plain memory. processor.py says where the semantics are documented, and what
// had to be chosen. Written for salhw; shares no code with either library, only the names of their interfaces.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace libnux::vx {

enum class PPUOnDLS : uint32_t { top = 0, bottom = 1 };

constexpr size_t columns_per_row = 256;

// Signed fractions of the width of T: saturating sums, products rounded downwards.
template <typename T>
struct FracSat
{
	using Element = T;
	static constexpr int bits = 8 * sizeof(T);
	static Element saturate(int32_t const x)
	{
		int32_t const highest = (1 << (bits - 1)) - 1;
		return static_cast<Element>(x > highest ? highest : (x < -highest - 1 ? -highest - 1 : x));
	}
	static Element add(int32_t const a, int32_t const b) { return saturate(a + b); }
	static Element subtract(int32_t const a, int32_t const b) { return saturate(a - b); }
	static Element multiply(int32_t const a, int32_t const b)
	{
		int32_t const product = a * b, unit = 1 << (bits - 1);
		return saturate(product >= 0 ? product / unit : -((-product + unit - 1) / unit));
	}
	static Element shift_left(Element const a, int const by)
	{
		uint32_t const below = (1u << (bits - 1)) - 1;
		uint32_t const kept = by < bits ? (static_cast<uint32_t>(a) << by) & below : 0;
		if (by >= bits) {
			return 0;
		}
		return static_cast<Element>(static_cast<int32_t>(kept) - (a < 0 ? 1 << (bits - 1) : 0));
	}
	static Element shift_right(Element const a, int const by)
	{
		return by == 0 ? a : (by >= bits ? Element(0) : multiply(a, 1 << (bits - 1 - by)));
	}
};

// Unsigned numbers of the width of T: everything modulo.
template <typename T>
struct Mod
{
	using Element = T;
	static constexpr int bits = 8 * sizeof(T);
	static Element add(uint32_t const a, uint32_t const b) { return static_cast<Element>(a + b); }
	static Element subtract(uint32_t const a, uint32_t const b) { return static_cast<Element>(a - b); }
	static Element multiply(uint32_t const a, uint32_t const b) { return static_cast<Element>(a * b); }
	static Element shift_left(uint32_t const a, int const by) { return by < bits ? static_cast<Element>(a << by) : 0; }
	static Element shift_right(uint32_t const a, int const by) { return by < bits ? static_cast<Element>(a >> by) : 0; }
};

template <typename Arithmetic>
struct VectorRow
{
	using Element = typename Arithmetic::Element;
	static constexpr size_t size = columns_per_row;
	std::array<Element, size> data{};

	VectorRow() = default;
	VectorRow(Element const value) { data.fill(value); }

	Element& operator[](size_t const column) { return data[column]; }
	Element const& operator[](size_t const column) const { return data[column]; }
	bool operator==(VectorRow const& other) const { return data == other.data; }
	bool operator!=(VectorRow const& other) const { return data != other.data; }

	VectorRow operator+(VectorRow const& other) const { return each(other, Arithmetic::add); }
	VectorRow operator-(VectorRow const& other) const { return each(other, Arithmetic::subtract); }
	VectorRow operator*(VectorRow const& other) const { return each(other, Arithmetic::multiply); }
	VectorRow operator-() const { return VectorRow(0) - *this; }
	VectorRow& operator+=(VectorRow const& other) { return *this = *this + other; }
	VectorRow& operator-=(VectorRow const& other) { return *this = *this - other; }
	VectorRow& operator*=(VectorRow const& other) { return *this = *this * other; }
	VectorRow operator<<(int const by) const { return shifted(by); }
	VectorRow operator>>(int const by) const { return shifted(-by); }

	template <typename Other>
	explicit operator VectorRow<Other>() const;

private:
	template <typename Operation>
	VectorRow each(VectorRow const& other, Operation const operation) const
	{
		VectorRow result;
		for (size_t i = 0; i < size; ++i) {
			result[i] = operation(data[i], other[i]);
		}
		return result;
	}
	VectorRow shifted(int const by) const
	{
		VectorRow result;
		for (size_t i = 0; i < size; ++i) {
			result[i] = by >= 0 ? Arithmetic::shift_left(data[i], by) : Arithmetic::shift_right(data[i], -by);
		}
		return result;
	}
};

using VectorRowFracSat8 = VectorRow<FracSat<int8_t>>;
using VectorRowFracSat16 = VectorRow<FracSat<int16_t>>;
using VectorRowMod8 = VectorRow<Mod<uint8_t>>;
using VectorRowMod16 = VectorRow<Mod<uint16_t>>;

// Between equal widths the bits stay; unsigned 8 bits become the lower ones of 16, and fractional ones the upper.
inline uint8_t convert(int8_t const x, FracSat<int8_t>, Mod<uint8_t>) { return static_cast<uint8_t>(x); }
inline int8_t convert(uint8_t const x, Mod<uint8_t>, FracSat<int8_t>) { return static_cast<int8_t>(x); }
inline uint16_t convert(int16_t const x, FracSat<int16_t>, Mod<uint16_t>) { return static_cast<uint16_t>(x); }
inline int16_t convert(uint16_t const x, Mod<uint16_t>, FracSat<int16_t>) { return static_cast<int16_t>(x); }
inline uint16_t convert(uint8_t const x, Mod<uint8_t>, Mod<uint16_t>) { return x; }
inline uint8_t convert(uint16_t const x, Mod<uint16_t>, Mod<uint8_t>) { return static_cast<uint8_t>(x); }
inline int16_t convert(int8_t const x, FracSat<int8_t>, FracSat<int16_t>) { return static_cast<int16_t>(x * 256); }
inline int8_t convert(int16_t const x, FracSat<int16_t>, FracSat<int8_t>)
{
	return static_cast<int8_t>(static_cast<uint16_t>(x) >> 8);
}

template <typename Arithmetic>
template <typename Other>
VectorRow<Arithmetic>::operator VectorRow<Other>() const
{
	VectorRow<Other> result;
	for (size_t i = 0; i < size; ++i) {
		result[i] = convert(data[i], Arithmetic(), Other());
	}
	return result;
}

enum class VectorIfCondition { greater, lesser, equal, greater_equal, lesser_equal, unequal };

template <typename Mask, typename Value>
Value vector_if(Mask const& mask, VectorIfCondition const condition, Value const& if_true, Value const& if_false)
{
	static_assert(sizeof(typename Mask::Element) == sizeof(typename Value::Element), "equally wide elements");
	Value result;
	for (size_t i = 0; i < Value::size; ++i) {
		bool chosen = false;
		switch (condition) {
			case VectorIfCondition::greater: chosen = mask[i] > 0; break;
			case VectorIfCondition::lesser: chosen = mask[i] < 0; break;
			case VectorIfCondition::equal: chosen = mask[i] == 0; break;
			case VectorIfCondition::greater_equal: chosen = mask[i] >= 0; break;
			case VectorIfCondition::lesser_equal: chosen = mask[i] <= 0; break;
			case VectorIfCondition::unequal: chosen = mask[i] != 0; break;
		}
		result[i] = chosen ? if_true[i] : if_false[i];
	}
	return result;
}

template <typename Arithmetic>
VectorRow<Arithmetic> saturate_weight(VectorRow<Arithmetic> const& value)
{
	VectorRow<Arithmetic> result;
	for (size_t i = 0; i < result.size; ++i) {
		result[i] = value[i] < 0 ? 0 : (value[i] > 63 ? 63 : value[i]);
	}
	return result;
}

// The columns' random generators: 16-bit shift registers, each with its own taps; a draw is one new bit.
struct Generators
{
	std::array<uint16_t, columns_per_row> state{};
	std::array<uint16_t, columns_per_row> taps{};
};
inline Generators generators;

template <typename Row>
Row parallel_rng_rand()
{
	static_assert(sizeof(typename Row::Element) == 1, "emulated for 8-bit rows: one draw of every column");
	Row result;
	for (size_t i = 0; i < Row::size; ++i) {
		uint16_t fed = generators.state[i] & generators.taps[i];
		fed ^= fed >> 8;
		fed ^= fed >> 4;
		fed ^= fed >> 2;
		fed ^= fed >> 1;
		generators.state[i] = static_cast<uint16_t>((generators.state[i] << 1) | (fed & 1));
		result[i] = static_cast<typename Row::Element>(generators.state[i] & 0xff);
	}
	return result;
}

template <typename Row>
void parallel_rng_seed(Row const& value)
{
	for (size_t i = 0; i < Row::size; ++i) {
		generators.state[i] = static_cast<uint8_t>(value[i]);
	}
}

} // namespace libnux::vx

extern volatile libnux::vx::PPUOnDLS ppu;

namespace grenade::vx::ppu {

// One hemisphere's synapses: weights, and what the converters say of the correlation sensors.
struct Array
{
	std::array<libnux::vx::VectorRowMod8, 256> weights;
	std::array<libnux::vx::VectorRowMod8, 256> causal;
	std::array<libnux::vx::VectorRowMod8, 256> acausal;
	std::array<size_t, 256> resets{};
};
inline Array array;

struct SynapseArrayViewHandle
{
	using Row = libnux::vx::VectorRowMod8;
	struct CorrelationRow
	{
		Row causal;
		Row acausal;
	};

	std::vector<uint8_t> columns;
	std::vector<uint8_t> rows;
	libnux::vx::PPUOnDLS hemisphere;

	Row get_weights(size_t const row) const { return array.weights[rows.at(row)]; }
	void set_weights(Row const& value, size_t const row) const
	{
		for (auto const column : columns) {
			array.weights[rows.at(row)][column] = value[column];
		}
	}
	CorrelationRow get_correlation(size_t const row, bool const reset) const
	{
		array.resets[rows.at(row)] += reset;
		return {array.causal[rows.at(row)], array.acausal[rows.at(row)]};
	}
};

// One hemisphere's neurons: spikes since their counters were reset.
inline std::array<uint32_t, 256> spikes{};

struct NeuronViewHandle
{
	using Row = libnux::vx::VectorRowMod8;

	std::vector<uint8_t> columns;
	libnux::vx::PPUOnDLS hemisphere;

	Row get_rate_counters(bool const reset) const
	{
		Row result(0);
		for (auto const column : columns) {
			result[column] = static_cast<uint8_t>(spikes[column] > 255 ? 255 : spikes[column]);
			spikes[column] = reset ? 0 : spikes[column];
		}
		return result;
	}
};

inline uint64_t now()
{
	return 0;
}

} // namespace grenade::vx::ppu

namespace hate {

template <typename Function, typename First, typename Second, size_t... I>
void for_each(Function const& function, First& first, Second& second, std::index_sequence<I...>)
{
	(function(std::get<I>(first), std::get<I>(second)), ...);
}

template <typename Function, typename First, typename Second>
void for_each(Function const& function, First& first, Second& second)
{
	for_each(function, first, second, std::make_index_sequence<std::tuple_size<First>::value>());
}

} // namespace hate
