#include <joblib_mpi/joblib_mpi.hpp>

#include <cstdio>
#include <ranges>

namespace jm = joblib_mpi;

double scaled(const std::vector<double>& data, int factor) {
  return data.back() * factor;
}

int main(int argc, char** argv) {
  jm::MpiSession session{argc, argv};
  return session.run([] {
    auto data = jm::scatter(std::vector<double>(100'000, 0.5));
    jm::Parallel parallel{{.n_jobs = -1}};
    const std::vector<double> results = parallel(std::views::iota(0, 100) | std::views::transform([&](int factor) {
                                                   return jm::delayed<scaled>(data, factor);
                                                 }));
    double sum = 0;
    for (const double result : results) sum += result;
    std::printf("consumer: %zu results, sum %g\n", results.size(), sum);
    return sum == 2475 ? 0 : 1;
  });
}
