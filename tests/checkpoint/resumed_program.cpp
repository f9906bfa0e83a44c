// A program with a checkpoint that resume.sh kills, tells to end, and starts again. It records its steps in the working
// folder: a line per task in `started` and in `finished`, and a line per rank 0 in `pid`.
//
//   resumed_program [BACKEND]
//
// Once half of its tasks have started, in any order, others wait until a file `go` exists.

#include <joblib_mpi/joblib_mpi.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <ranges>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

constexpr int n_tasks = 60;

/// Appends one line, in one piece even if several ranks write at the same time. Returns its number in the file.
long note(const char* name, long number) {
  const std::string line = std::to_string(number) + "\n";
  const int file = open(name, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (write(file, line.data(), line.size()) < 0) std::perror(name);
  std::string lines(static_cast<std::size_t>(lseek(file, 0, SEEK_CUR)), '\0');
  if (pread(file, lines.data(), lines.size(), 0) < 0) std::perror(name);
  close(file);
  return std::ranges::count(lines, '\n');
}

std::vector<double> compute(const std::vector<double>& data, int number) {
  const bool waits = note("started", number) > n_tasks / 2;
  while (waits && !std::filesystem::exists("go")) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  note("finished", number);
  return std::vector<double>(data.size(), number);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string backend = argc > 1 ? argv[1] : "mpi";
  jm::MpiSession session{argc, argv};
  return session.run([&] {
    note("pid", getpid());
    const jm::parallel_config config({.n_jobs = 2, .backend = backend, .checkpoint = "run.h5"});
    const auto data = jm::scatter(std::vector<double>(20000, 1.0));
    const auto results = jm::Parallel()(std::views::iota(0, n_tasks) | std::views::transform([&](int number) {
                                          return jm::delayed<compute>(data, number);
                                        }));
    for (int number = 0; number < n_tasks; ++number) {
      if (results.at(static_cast<std::size_t>(number)) != std::vector<double>(20000, number)) {
        std::printf("result %d is wrong\n", number);
        return 1;
      }
    }
    std::printf("all results are right\n");
    return 0;
  });
}
