#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

namespace joblib_mpi::test {

/// Returns the length of the calling thread's time slices in nanoseconds; 0 on a kernel before Linux 6.12, which does
/// not tell it.
inline std::uint64_t time_slice() {
  std::array<std::byte, 48> attributes{};  // struct sched_attr, see sched_getattr(2)
  constexpr std::size_t place_of_runtime = 24;
  if (syscall(SYS_sched_getattr, 0, attributes.data(), attributes.size(), 0) != 0) return 0;
  std::uint64_t nanoseconds = 0;
  std::memcpy(&nanoseconds, attributes.data() + place_of_runtime, sizeof nanoseconds);
  return nanoseconds;
}

/// Returns what `time_slice` is for a thread that polls, if it is `before` for others.
inline std::uint64_t short_time_slice(std::uint64_t before) {
  return before == 0 ? 0 : 100'000;
}

}  // namespace joblib_mpi::test
