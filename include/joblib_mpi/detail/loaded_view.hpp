#pragma once

#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/detail/plain_bytes.hpp>
#include <joblib_mpi/serialization.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace joblib_mpi::detail {

/// The elements of an array in a payload, and the owner of their memory.
template <class Element>
struct LoadedView {
  std::shared_ptr<const void> owner;
  std::span<const Element> elements;
};

/// Takes the next array out as `load<Array>` does, but leaves a large one in the payload's memory and shares ownership
/// of that.
template <class Array>
  requires is_plain_array<Array>
[[nodiscard]] LoadedView<typename Array::value_type> load_view(PayloadReader& reader) {
  using Element = typename Array::value_type;
  PayloadReader ahead = reader;
  const auto size = static_cast<std::size_t>(ahead.read<std::uint64_t>());
  if (ahead.read<bool>()) {
    const SharedBytes& part = ahead.read_part();
    const ByteView bytes = part.view();
    const bool is_aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(Element) == 0;
    if (is_aligned && bytes.size() / sizeof(Element) == size && bytes.size() % sizeof(Element) == 0) {
      reader = ahead;
      return {part.owner(), {reinterpret_cast<const Element*>(bytes.data()), size}};
    }
  }
  auto copy = std::make_shared<const Array>(load<Array>(reader));
  const std::span<const Element> elements(*copy);
  return {std::move(copy), elements};
}

}  // namespace joblib_mpi::detail
