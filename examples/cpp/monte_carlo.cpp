// Prices an option whose exact price is known, and shows how the error falls with the number of samples.
//
//   mpirun -n 4 build/release/examples/cpp/example_monte_carlo [batches]
//
// Each batch draws from a separate random stream, seeded with the batch's number, and the results are added up in
// submission order. So the output is bitwise identical on any number of ranks. Exits with 1 if the price is wrong.

#include <joblib_mpi/joblib_mpi.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <ranges>
#include <span>
#include <string>
#include <vector>

namespace jm = joblib_mpi;

namespace {

/// An Asian call option on the geometric mean of the prices at equally spaced fixings, under geometric Brownian motion.
struct AsianCall {
  double spot = 100;
  double strike = 100;
  double rate = 0.05;
  double volatility = 0.2;
  double years = 1;
  int fixings = 12;
};

/// The sample mean and the sum of squared deviations from it. A trivially copyable type needs no `serialize`.
struct Statistics {
  double count = 0;
  double mean = 0;
  double squares = 0;

  [[nodiscard]] double standard_error() const { return std::sqrt(squares / (count - 1) / count); }
};

Statistics merge(const Statistics& a, const Statistics& b) {
  if (a.count == 0) return b;
  const double count = a.count + b.count;
  const double difference = b.mean - a.mean;
  return {count, a.mean + difference * b.count / count,
          a.squares + b.squares + difference * difference * a.count * b.count / count};
}

constexpr int samples_per_batch = 1000;
constexpr std::uint32_t seed = 20240229;

/// Simulates one batch of paths; this is the task. Returns the moments of the discounted payoffs.
Statistics simulate(const AsianCall& option, std::uint32_t batch) {
  std::seed_seq stream{seed, batch};
  std::mt19937_64 generator(stream);
  std::normal_distribution<double> normal;

  const double step = option.years / option.fixings;
  const double drift = (option.rate - option.volatility * option.volatility / 2) * step;
  const double diffusion = option.volatility * std::sqrt(step);
  const double discount = std::exp(-option.rate * option.years);
  Statistics statistics;
  for (int sample = 0; sample < samples_per_batch; ++sample) {
    double log_price = std::log(option.spot);
    double log_sum = 0;
    for (int fixing = 0; fixing < option.fixings; ++fixing) {
      log_price += drift + diffusion * normal(generator);
      log_sum += log_price;
    }
    const double payoff = std::max(std::exp(log_sum / option.fixings) - option.strike, 0.0);
    statistics = merge(statistics, {1, discount * payoff, 0});
  }
  return statistics;
}

/// Returns the exact price: the geometric mean is log-normal, so the Black-Scholes formula applies.
double exact_price(const AsianCall& option) {
  const double n = option.fixings;
  const double variance = option.volatility * option.volatility;
  const double mean = std::log(option.spot) + (option.rate - variance / 2) * option.years * (n + 1) / (2 * n);
  const double deviation = std::sqrt(variance * option.years * (n + 1) * (2 * n + 1) / (6 * n * n));
  const auto normal_cdf = [](double x) { return std::erfc(-x / std::sqrt(2.0)) / 2; };
  const double d2 = (mean - std::log(option.strike)) / deviation;
  return std::exp(-option.rate * option.years) *
         (std::exp(mean + deviation * deviation / 2) * normal_cdf(d2 + deviation) - option.strike * normal_cdf(d2));
}

Statistics merge_all(std::span<const Statistics> batches) {
  Statistics all;
  for (const Statistics& batch : batches) all = merge(all, batch);
  return all;
}

/// Returns the root mean square error of the independent estimates that each use `size` batches.
double rms_error(std::span<const Statistics> batches, std::size_t size, double exact) {
  const std::size_t estimates = batches.size() / size;
  double squares = 0;
  for (std::size_t i = 0; i < estimates; ++i) {
    const double error = merge_all(batches.subspan(i * size, size)).mean - exact;
    squares += error * error;
  }
  return std::sqrt(squares / static_cast<double>(estimates));
}

/// Prints one row per number of samples. "order" is the order of the rms error: 0.5 means that four times as many
/// samples halve it.
void print_convergence(std::span<const Statistics> batches, double exact) {
  std::printf("%10s %10s %10s %10s %22s %7s\n", "samples", "estimate", "std error", "error", "rms error (estimates)",
              "order");
  double previous = 0;
  for (std::size_t size = 1; size <= batches.size(); size *= 4) {
    const Statistics first = merge_all(batches.first(size));
    const double rms = rms_error(batches, size, exact);
    const std::string estimates = std::to_string(batches.size() / size);
    std::printf("%10.0f %10.5f %10.5f %+10.5f %14.5f %7s ", first.count, first.mean, first.standard_error(),
                first.mean - exact, rms, ("(" + estimates + ")").c_str());
    if (previous > 0 && batches.size() / size >= 64) {  // the spread of fewer estimates means little
      std::printf("%7.2f\n", std::log(previous / rms) / std::log(4.0));
    } else {
      std::printf("%7s\n", "-");
    }
    previous = rms;
  }
}

}  // namespace

int main(int argc, char** argv) {
  jm::MpiSession session{argc, argv};
  const auto batches = static_cast<std::uint32_t>(std::max(argc > 1 ? std::atoi(argv[1]) : 4096, 1));
  return session.run([&] {
    const AsianCall option;
    const std::vector<Statistics> results =
        jm::Parallel()(std::views::iota(0U, batches) | std::views::transform([&](std::uint32_t batch) {
                         return jm::delayed<simulate>(option, batch);
                       }));

    const double exact = exact_price(option);
    print_convergence(results, exact);
    const Statistics all = merge_all(results);
    const double deviations = std::abs(all.mean - exact) / all.standard_error();
    std::printf("price %.17g, exact %.17g: %.2f standard errors apart\n", all.mean, exact, deviations);
    return deviations <= 5 ? 0 : 1;
  });
}
