#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdio>
#include <ranges>
#include <string>
#include <vector>

namespace jm = joblib_mpi;

double scaled(const std::vector<double>& data, int factor) {
  return data.back() * factor;
}

std::vector<int> large(int number) {
  return std::vector<int>(100'000, number);
}

/// Returns how many of four large results have come back from files of `folder` with the right value.
int results_from_files(const std::string& folder) {
  const jm::Parallel parallel{{.checkpoint = folder + "/run.h5",
                               .spill_threshold_bytes = 1000,
                               .spill_dir = folder,
                               .spill_compression = "gzip"}};
  int right = 0;
  for (const auto& result : parallel.spilled(
           std::vector{jm::delayed<large>(1), jm::delayed<large>(2), jm::delayed<large>(3), jm::delayed<large>(4)})) {
    if (result.is_on_disk() && result.get() == large(right + 1)) ++right;
  }
  return right;
}

#ifdef LINK_ANOTHER
extern "C" int H5of_this_test();  // of the HDF5 that the program is linked with, which has another version
#else
int H5of_this_test() {
  return 199;
}
#endif

int main(int argc, char** argv) {
  jm::MpiSession session{argc, argv};
  return session.run([&] {
    if (argc != 2 || H5of_this_test() != 199) return 2;
    auto data = jm::scatter(std::vector<double>(100'000, 0.5));
    jm::Parallel parallel{{.n_jobs = -1}};
    const std::vector<double> results = parallel(std::views::iota(0, 100) | std::views::transform([&](int factor) {
                                                   return jm::delayed<scaled>(data, factor);
                                                 }));
    double sum = 0;
    for (const double result : results) sum += result;
    const int from_files = results_from_files(argv[1]);
    std::printf("consumer: %zu results, sum %g, %d large ones from files\n", results.size(), sum, from_files);
    return sum == 2475 && from_files == 4 ? 0 : 1;
  });
}
