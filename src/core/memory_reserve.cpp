#include "core/memory_reserve.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace joblib_mpi {
namespace {

thread_local MemoryReserve* reserve_in_use = nullptr;
std::new_handler handler_before = nullptr;

}  // namespace

MemoryReserve::MemoryReserve() {
  [[maybe_unused]] static const bool installed = [] {
    handler_before = std::set_new_handler(on_failed_allocation);
    return true;
  }();
  (void)refill();
}

MemoryReserve::Use::Use(MemoryReserve& reserve) noexcept : outer_(std::exchange(reserve_in_use, &reserve)) {}

MemoryReserve::Use::~Use() {
  reserve_in_use = outer_;
}

void MemoryReserve::on_failed_allocation() {
  if (reserve_in_use != nullptr && reserve_in_use->release()) return;
  if (handler_before == nullptr) throw std::bad_alloc();
  handler_before();
}

bool MemoryReserve::release() noexcept {
  is_whole_ = false;
  const auto block = std::ranges::find_if(blocks_, [](const auto& held) { return held != nullptr; });
  if (block == blocks_.end()) return false;
  block->reset();
  return true;
}

bool MemoryReserve::refill() noexcept {
  if (is_whole_) return true;
  MemoryReserve* const outer = std::exchange(reserve_in_use, nullptr);  // its own blocks are not to come from it
  is_whole_ = true;
  for (auto& block : blocks_) {
    if (block == nullptr) block.reset(new (std::nothrow) std::byte[block_bytes]);
    is_whole_ = is_whole_ && block != nullptr;
  }
  reserve_in_use = outer;
  return is_whole_;
}

}  // namespace joblib_mpi
