#include "core/short_slices.hpp"

#include <chrono>
#include <optional>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

constexpr std::chrono::nanoseconds short_slice = std::chrono::microseconds(100);  // the shortest that Linux grants

/// The first version of the kernel's struct sched_attr (sched_setattr(2)): the header that has it cannot be included
/// beside <sched.h> everywhere.
struct SchedulingAttributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime;  // with the policies of ordinary threads the length of a slice in nanoseconds
  std::uint64_t deadline;
  std::uint64_t period;
};
static_assert(sizeof(SchedulingAttributes) == 48);

/// Sets the length of a thread's slices, with everything else of its scheduling unchanged, and returns the length
/// before. Returns nothing if the thread has no slices, as with a real-time policy, or the kernel refuses.
std::optional<std::uint64_t> set_slice(pid_t thread, std::uint64_t nanoseconds) noexcept {
  SchedulingAttributes attributes{};
  if (syscall(SYS_sched_getattr, thread, &attributes, sizeof attributes, 0) != 0) return std::nullopt;
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return std::nullopt;
  const std::uint64_t before = attributes.runtime;
  attributes.runtime = nanoseconds;
  if (syscall(SYS_sched_setattr, thread, &attributes, 0) != 0) return std::nullopt;
  return before;
}

}  // namespace

ShortSlices::ShortSlices() noexcept {
  if (const std::optional<std::uint64_t> before = set_slice(0, short_slice.count())) {
    thread_ = gettid();
    nanoseconds_before_ = *before;
  }
}

ShortSlices::~ShortSlices() {
  if (thread_ != 0) (void)set_slice(thread_, nanoseconds_before_);
}

}  // namespace joblib_mpi
