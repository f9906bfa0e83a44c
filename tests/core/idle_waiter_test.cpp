#include "core/idle_waiter.hpp"

#include "core/wake_flag.hpp"
#include "support/catch.hpp"

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;

namespace {

constexpr std::chrono::minutes too_long{1};

/// Returns settings with a sleep so long that only a notification can end it within the test's time limit.
Settings very_long_sleep() {
  Settings settings;
  settings.spin_seconds = 0;
  settings.max_sleep_seconds = 3600;
  return settings;
}

/// Returns whether `work`, which polls with `waiter` on another thread, ends without help. After a minute the thread is
/// woken until it ends, so that a lost notification is a failed check and not a test that hangs.
bool ends_unaided(IdleWaiter& waiter, const std::function<void()>& work) {
  const std::future<void> end = std::async(std::launch::async, work);
  const bool unaided = end.wait_for(too_long) == std::future_status::ready;
  while (end.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) waiter.notify();
  return unaided;
}

}  // namespace

TEST_CASE("waiting returns by itself so that the loop can look again") {
  for (const bool has_own_core : {false, true}) {
    Settings settings;
    settings.spin_seconds = 1e-5;
    settings.max_sleep_seconds = 1e-5;
    IdleWaiter waiter(settings, has_own_core);
    CHECK(ends_unaided(waiter, [&] {
      for (int look = 0; look < 1000; ++look) waiter.wait();
      waiter.reset();
      waiter.wait();
    }));
  }
}

TEST_CASE("a notification from another thread reaches a loop that sleeps or is about to") {
  IdleWaiter waiter(very_long_sleep(), false);
  std::atomic<int> rung{0};
  std::atomic<int> heard{0};
  constexpr int rounds = 200;
  std::thread ringer([&] {
    for (int round = 0; round < rounds; ++round) {
      ++rung;
      waiter.notify();
      while (heard <= round) std::this_thread::yield();
    }
  });
  // Only notifications reset the pauses: if they were lost, this would soon sleep for minutes.
  CHECK(ends_unaided(waiter, [&] {
    while (heard < rounds) {
      if (rung > heard) {
        ++heard;
      } else {
        waiter.wait();
      }
    }
  }));
  ringer.join();
  CHECK(heard == rounds);
}

TEST_CASE("a notification before the wait is remembered") {
  IdleWaiter waiter(very_long_sleep(), false);
  // A hundred pauses, each a quarter longer than the one before, make days, so none of these calls may sleep.
  CHECK(ends_unaided(waiter, [&] {
    for (int turn = 0; turn < 100; ++turn) {
      waiter.notify();
      waiter.wait();
    }
  }));
}

TEST_CASE("traffic makes the pauses start over") {
  IdleWaiter waiter(very_long_sleep(), false);
  CHECK(ends_unaided(waiter, [&] {
    for (int turn = 0; turn < 100; ++turn) {
      waiter.wait();
      waiter.reset();
    }
  }));
}

TEST_CASE("a flag in shared memory lets another process wake the loop") {
  void* memory = mmap(nullptr, sizeof(WakeFlag), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  WakeFlag* flag = ::new (memory) WakeFlag;
  const pid_t other = fork();
  if (other == 0) {
    flag->notify();
    _exit(0);
  }
  CHECK(flag->wait_for(too_long));
  waitpid(other, nullptr, 0);
  IdleWaiter(very_long_sleep(), false, *flag).notify();
  CHECK(flag->take());
  munmap(memory, sizeof(WakeFlag));
}

TEST_CASE("several notifications before the wait are one") {
  WakeFlag flag;
  CHECK_FALSE(flag.take());
  flag.notify();
  flag.notify();
  CHECK(flag.wait_for(too_long));
  CHECK_FALSE(flag.wait_for(std::chrono::nanoseconds(1)));
}
