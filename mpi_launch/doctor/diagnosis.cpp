#include "doctor/diagnosis.hpp"

#include "doctor/problems.hpp"

#include <algorithm>

namespace joblib_mpi::launch {

Problems diagnose(const JobReport& report, const Expectations& expected) {
  Problems all;
  for (Problems part :
       {mpi_problems(report, expected), python_problems(report, expected), core_problems(report, expected),
        memory_problems(report, expected), spill_problems(report, expected), link_problems(report)}) {
    std::ranges::move(part, std::back_inserter(all));
  }
  std::ranges::stable_sort(all, {}, &Problem::severity);
  return all;
}

}  // namespace joblib_mpi::launch
