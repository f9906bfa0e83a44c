// Tests of large results that go through files in a real job.

#include "support/catch.hpp"
#include "support/temporary_folder.hpp"
#include <joblib_mpi/joblib_mpi.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <complex>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <ranges>
#include <string>
#include <vector>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using std::views::iota;
using std::views::transform;
namespace fs = std::filesystem;

namespace {

using Fields = std::map<std::string, std::vector<std::complex<double>>>;

std::vector<double> ramp(int first) {
  std::vector<double> values(300'000);
  for (std::size_t index = 0; index < values.size(); ++index) values[index] = first + static_cast<double>(index);
  return values;
}

Fields fields(int first) {
  return {{"small", {{1.0 * first, 0}}},
          {"wide", std::vector<std::complex<double>>(20'000, {1.0 * first, 2})},
          {"wider", std::vector<std::complex<double>>(40'000, {3, 1.0 * first})}};
}

int tiny(int value) {
  return -value;
}

bool has_files(const fs::path& folder, const std::string& part_of_name) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().filename().string().find(part_of_name) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("results of a job spill, come back right and leave nothing behind") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    const TemporaryFolder folder;
    const Parallel parallel({.spill_threshold_bytes = 100'000, .spill_dir = (folder / "").string()});
    const auto ramps = parallel(iota(0, 12) | transform([](int first) { return delayed<ramp>(first); }));
    for (int first = 0; first < 12; ++first) CHECK(ramps.at(static_cast<std::size_t>(first)) == ramp(first));
    const auto maps = parallel.spilled(iota(0, 7) | transform([](int first) { return delayed<fields>(first); }));
    for (int first = 0; first < 7; ++first) {
      const auto& result = maps.at(static_cast<std::size_t>(first));
      CHECK(result.is_on_disk());
      CHECK(result.get() == fields(first));
    }
    const auto small = parallel.spilled(iota(0, 50) | transform([](int value) { return delayed<tiny>(value); }));
    for (int value = 0; value < 50; ++value) {
      CHECK_FALSE(small.at(static_cast<std::size_t>(value)).is_on_disk());
      CHECK(small.at(static_cast<std::size_t>(value)).get() == -value);
    }
    CHECK_FALSE(has_files(folder / "", "result-"));
  });
}

TEST_CASE("compressed and kept results of a job come back and stay") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    const TemporaryFolder folder;
    const Parallel parallel({.spill_threshold_bytes = 100'000,
                             .spill_dir = (folder / "").string(),
                             .keep_spill = true,
                             .spill_compression = "gzip:1"});
    const auto ramps = parallel(iota(0, 5) | transform([](int first) { return delayed<ramp>(first); }));
    for (int first = 0; first < 5; ++first) CHECK(ramps.at(static_cast<std::size_t>(first)) == ramp(first));
    CHECK(has_files(folder / "", "index.h5"));
    CHECK(has_files(folder / "", "result-4"));
  });
}

TEST_CASE("a spill folder that is missing is an error of the call on rank 0") {
  MpiSession session(MPI_COMM_WORLD);
  session.run([] {
    const Parallel parallel({.spill_dir = "/missing"});
    const auto calls = iota(0, 5) | transform([](int first) { return delayed<ramp>(first); });
    CHECK_THAT(error_text<SpillError>([&] { (void)parallel(calls); }), contains("/missing"));
  });
}
