// The whole interface in ten lines: shares data once, delays a thousand calls, and gets the results in order.
//
//   mpirun -n 4 build/release/examples/cpp/example_first_steps

#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdio>
#include <numeric>
#include <ranges>
#include <vector>

namespace jm = joblib_mpi;

std::vector<double> load() {
  std::vector<double> data(1'000'000);
  std::iota(data.begin(), data.end(), 0.0);
  return data;
}

/// Returns the mean of every thousandth value, starting at index `fold`.
double score(const std::vector<double>& data, int fold) {
  double sum = 0;
  for (auto index = static_cast<std::size_t>(fold); index < data.size(); index += 1000) sum += data[index];
  return sum / 1000;
}

int main(int argc, char** argv) {
  jm::MpiSession session{argc, argv};
  return session.run([] {             // rank 0; the other ranks serve until it returns
    auto data = jm::scatter(load());  // jm::Shared<std::vector<double>>, one broadcast
    jm::Parallel parallel{{.n_jobs = -1, .verbose = 10}};
    std::vector<double> scores = parallel(  // in submission order
        std::views::iota(0, 1000) | std::views::transform([&](int fold) { return jm::delayed<score>(data, fold); }));
    std::printf("scores of %zu folds, from %.1f to %.1f\n", scores.size(), scores.front(), scores.back());
  });
}
