#include "spill/spill_policy.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"

#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr std::uint64_t mega = 1'000'000;

TaskLimits limits(const SpillPolicy& policy, SpillPolicy::Limits call, std::size_t tasks_under_way = 0) {
  TaskLimits task;
  policy.limit(task, call, tasks_under_way);
  return task;
}

Payload result_of(std::size_t bytes) {
  const std::shared_ptr<std::byte[]> array(new std::byte[bytes]);
  Payload result;
  result.parts.emplace_back(array, ByteView(array.get(), bytes));
  return result;
}

}  // namespace

TEST_CASE("with memory to spare, the threshold decides") {
  const SpillPolicy policy;
  CHECK(limits(policy, {64 * mega, 1000 * mega}).spill_over_bytes == 64 * mega);
  CHECK(limits(policy, {64 * mega, 1000 * mega}).memory_left_bytes == 1000 * mega);
  CHECK(limits(policy, {0, 1000 * mega}).spill_over_bytes == 1);
}

TEST_CASE("what is left of the budget decides where that is less, down to a size that is not worth a file") {
  const SpillPolicy policy;
  CHECK(limits(policy, {64 * mega, 10 * mega}).spill_over_bytes == 10 * mega);
  CHECK(limits(policy, {64 * mega, 10}).spill_over_bytes == SpillPolicy::smallest_spilled_for_memory);
  CHECK(limits(policy, {100, 10}).spill_over_bytes == 100);
  CHECK(limits(policy, {64 * mega, 10}).memory_left_bytes == 10);
}

TEST_CASE("results count until the last of their parts is let go") {
  SpillPolicy policy;
  Payload result = policy.hold(result_of(4 * mega));
  CHECK(policy.held_bytes() == 4 * mega);
  CHECK(limits(policy, {64 * mega, 10 * mega}).memory_left_bytes == 6 * mega);
  SharedBytes part = result.parts[0];
  result = {};
  CHECK(policy.held_bytes() == 4 * mega);
  part = {};
  CHECK(policy.held_bytes() == 0);
}

TEST_CASE("parts may outlive the policy") {
  Payload result;
  {
    SpillPolicy policy;
    result = policy.hold(result_of(mega));
  }
  CHECK(result.parts[0].size() == mega);
}

TEST_CASE("tasks under way are expected to bring what the last ones did") {
  SpillPolicy policy;
  CHECK_FALSE(policy.expects_memory());
  CHECK(limits(policy, {64 * mega, 100 * mega}, 1000).spill_over_bytes == 64 * mega);
  for (int result = 0; result < 50; ++result) (void)policy.hold(result_of(2 * mega));
  CHECK(policy.expects_memory());
  CHECK(limits(policy, {64 * mega, 100 * mega}, 10).spill_over_bytes == 64 * mega);
  const auto left = limits(policy, {64 * mega, 100 * mega}, 40).spill_over_bytes;
  CHECK(left > 19 * mega);
  CHECK(left < 22 * mega);
  CHECK(limits(policy, {64 * mega, 100 * mega}, 60).spill_over_bytes == SpillPolicy::smallest_spilled_for_memory);
}

TEST_CASE("memory is full when results spill under the threshold, until something is let go") {
  SpillPolicy policy;
  const SpillPolicy::Limits call{64 * mega, 64 * mega};
  for (int result = 0; result < 50; ++result) (void)policy.hold(result_of(8 * mega));
  std::vector<Payload> held;
  while (held.size() < 5) held.push_back(policy.hold(result_of(8 * mega)));
  CHECK_FALSE(policy.is_full(call.memory_budget_bytes));

  // Three tasks are always running: the next result never fits, and the held results never reach the budget.
  CHECK(limits(policy, call, 3).spill_over_bytes < 8 * mega);
  policy.spilled_for_memory();
  CHECK(policy.is_full(call.memory_budget_bytes));
  held.pop_back();
  CHECK_FALSE(policy.is_full(call.memory_budget_bytes));

  policy.spilled_for_memory();
  CHECK(policy.is_full(call.memory_budget_bytes));
  while (held.size() < 8) held.push_back(policy.hold(result_of(8 * mega)));
  CHECK(policy.is_full(call.memory_budget_bytes));
  held.clear();
  policy.spilled_for_memory();
  CHECK_FALSE(policy.is_full(call.memory_budget_bytes));  // there is nothing to wait for
}
