#include "core/short_slices.hpp"

#include "support/catch.hpp"
#include "support/time_slice.hpp"

#include <cstdint>
#include <memory>
#include <sched.h>
#include <sys/resource.h>
#include <thread>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Runs `check` on a separate thread, whose scheduling no other test changes.
template <class Check>
void on_own_thread(Check check) {
  std::thread(check).join();
}

}  // namespace

TEST_CASE("a thread has short slices for a time, and everything else of its scheduling stays") {
  std::uint64_t before = 0, during = 0, after = 0;
  int priority = 0, policy = -1;
  on_own_thread([&] {
    setpriority(PRIO_PROCESS, 0, 3);  // of this thread alone
    const sched_param none{};
    sched_setscheduler(0, SCHED_BATCH, &none);
    before = time_slice();
    {
      const ShortSlices short_slices;
      during = time_slice();
      priority = getpriority(PRIO_PROCESS, 0);
      policy = sched_getscheduler(0);
    }
    after = time_slice();
  });
  CHECK(during == short_time_slice(before));
  CHECK(after == before);
  CHECK(priority == 3);
  CHECK(policy == SCHED_BATCH);
}

TEST_CASE("short slices that another thread ends are those of the thread that asked for them") {
  std::uint64_t before = 0, after = 0, of_other = 0;
  on_own_thread([&] {
    before = time_slice();
    auto short_slices = std::make_unique<ShortSlices>();
    on_own_thread([&] {
      short_slices.reset();
      of_other = time_slice();
    });
    after = time_slice();
  });
  CHECK(after == before);
  CHECK(of_other == short_time_slice(before));  // from the thread that started it
}

TEST_CASE("a thread without slices keeps its policy") {
  int policy = -1;
  on_own_thread([&] {
    const sched_param none{};
    sched_setscheduler(0, SCHED_IDLE, &none);
    { const ShortSlices short_slices; }
    policy = sched_getscheduler(0);
  });
  CHECK(policy == SCHED_IDLE);
}
