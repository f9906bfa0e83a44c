#include "observe/progress.hpp"

#include <cstdio>

namespace joblib_mpi {
namespace {

std::chrono::seconds pause_between_lines(int verbose) {
  if (verbose >= 50) return std::chrono::seconds{0};
  return verbose >= 10 ? std::chrono::seconds{1} : std::chrono::seconds{10};
}

}  // namespace

Progress::Progress(int verbose, int n_jobs, std::optional<std::size_t> total)
    : verbose_(verbose), n_jobs_(n_jobs), total_(total) {
  if (verbose_ > 0) last_print_ = start_ = Clock::now();
}

double Progress::elapsed_seconds() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void Progress::print_if_due() {
  if (Clock::now() - last_print_ < pause_between_lines(verbose_)) return;
  last_print_ = Clock::now();
  const double elapsed = elapsed_seconds();
  if (total_) {
    const double remaining = elapsed / static_cast<double>(done_) * static_cast<double>(*total_ - done_);
    std::fprintf(stderr, "[Parallel(n_jobs=%d)]: Done %zu out of %zu | elapsed: %.1fs remaining: %.1fs\n", n_jobs_,
                 done_, *total_, elapsed, remaining);
  } else {
    std::fprintf(stderr, "[Parallel(n_jobs=%d)]: Done %zu tasks | elapsed: %.1fs\n", n_jobs_, done_, elapsed);
  }
}

void Progress::finish() const {
  if (verbose_ <= 0) return;
  std::fprintf(stderr, "[Parallel(n_jobs=%d)]: Done %zu out of %zu | elapsed: %.1fs finished\n", n_jobs_, done_, done_,
               elapsed_seconds());
}

}  // namespace joblib_mpi
