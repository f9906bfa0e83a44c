#include "terminal/interrupt_count.hpp"

#include "support/catch.hpp"

using joblib_mpi::launch::InterruptCount;
using std::chrono::milliseconds;

TEST_CASE("an interrupt ends a job if it follows another within a second") {
  InterruptCount interrupts;
  const InterruptCount::Time start{};
  CHECK_FALSE(interrupts.note(start));
  CHECK_FALSE(interrupts.note(start + milliseconds{1000}));
  CHECK_FALSE(interrupts.note(start + milliseconds{2500}));
  CHECK(interrupts.note(start + milliseconds{3499}));
  CHECK(interrupts.note(start + milliseconds{3500}));
}
