#pragma once

#include <cstdint>
#include <sys/types.h>

namespace joblib_mpi {

/// Gives the calling thread short time slices while the object exists. A thread that polls and yields needs them beside
/// programs that compute: the kernel then lets it run soon after it wakes, and takes little from it for a yield, which
/// Open MPI makes at each look if there are more ranks than cores, and for which Linux 6.18 takes a whole slice. What
/// the thread itself computes loses nothing by it. A kernel before Linux 6.12 and threads with a real-time or idle
/// policy know no such slices; nothing changes there.
class ShortSlices {
 public:
  ShortSlices() noexcept;
  ShortSlices(const ShortSlices&) = delete;
  ShortSlices& operator=(const ShortSlices&) = delete;
  /// Gives the thread the slices that it had. Any thread of the process may call this.
  ~ShortSlices();

 private:
  pid_t thread_ = 0;  // 0 if its slices are unchanged
  std::uint64_t nanoseconds_before_ = 0;
};

}  // namespace joblib_mpi
