// Chooses the penalty of a ridge regression by k-fold cross-validation: one task per penalty and fold.
//
//   mpirun -n 4 build/release/examples/cpp/example_ridge_cross_validation [rows] [features]
//
// The design matrix is a user-defined class with a `serialize` member; it is sent to every rank once. Exits with 1 if
// the ranks' scores differ in any bit from those of a sequential run of the tasks on rank 0.

#include <joblib_mpi/joblib_mpi.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

namespace jm = joblib_mpi;

namespace {

using Vector = std::vector<double>;

/// A dense matrix, stored by rows.
struct Matrix {
  std::size_t rows = 0;
  std::size_t columns = 0;
  Vector values = Vector(rows * columns);

  [[nodiscard]] std::span<double> row(std::size_t i) { return {values.data() + i * columns, columns}; }
  [[nodiscard]] std::span<const double> row(std::size_t i) const { return {values.data() + i * columns, columns}; }

  /// Reads or writes the matrix; Boost.Serialization calls it.
  template <class Archive>
  void serialize(Archive& archive, unsigned /*version*/) {
    (archive & rows & columns & values);
  }
};

}  // namespace

/// Declares that `serialize` passes the array of the object itself and no copy, so that the array is sent in place.
template <>
inline constexpr bool jm::serializes_in_place<Matrix> = true;

namespace {

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

/// Returns data of a linear model with noise half as strong as the signal.
std::pair<Matrix, Vector> make_problem(std::size_t rows, std::size_t features) {
  std::mt19937_64 generator(7);
  std::normal_distribution<double> normal;
  Matrix design{rows, features};
  Vector weights(features), targets(rows);
  for (double& value : design.values) value = normal(generator);
  for (double& weight : weights) weight = normal(generator);
  const double noise = std::sqrt(static_cast<double>(features)) / 2;
  for (std::size_t i = 0; i < rows; ++i) targets[i] = dot(design.row(i), weights) + noise * normal(generator);
  return {std::move(design), std::move(targets)};
}

/// Solves `matrix * x = right` by Cholesky factorisation; `matrix` must be positive definite, and only its lower half
/// is read.
Vector solve(Matrix matrix, Vector right) {
  const std::size_t n = right.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double rest = matrix.row(i)[j] - dot(matrix.row(i).first(j), matrix.row(j).first(j));
      matrix.row(i)[j] = i == j ? std::sqrt(rest) : rest / matrix.row(j)[j];
    }
    right[i] = (right[i] - dot(matrix.row(i).first(i), right)) / matrix.row(i)[i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = i + 1; j < n; ++j) right[i] -= matrix.row(j)[i] * right[j];
    right[i] /= matrix.row(i)[i];
  }
  return right;
}

constexpr std::size_t folds = 5;

/// One task's parameters. A trivially copyable type needs no `serialize`.
struct Trial {
  double alpha = 0;
  std::size_t fold = 0;  // the rows whose number leaves this when divided by `folds` are held out
};

/// Fits the model to the rows that the trial does not hold out; this is the task. Returns R² on the held-out rows.
double held_out_r2(const Matrix& design, const Vector& targets, Trial trial) {
  Matrix gram{design.columns, design.columns};
  Vector moments(design.columns);
  for (std::size_t row = 0; row < design.rows; ++row) {
    if (row % folds == trial.fold) continue;
    const auto x = design.row(row);
    for (std::size_t i = 0; i < x.size(); ++i) {
      moments[i] += x[i] * targets[row];
      for (std::size_t j = 0; j <= i; ++j) gram.row(i)[j] += x[i] * x[j];
    }
  }
  for (std::size_t i = 0; i < gram.rows; ++i) gram.row(i)[i] += trial.alpha;
  const Vector weights = solve(std::move(gram), std::move(moments));

  double residual = 0, sum = 0, squares = 0, count = 0;
  for (std::size_t row = trial.fold; row < design.rows; row += folds, ++count) {
    residual += std::pow(targets[row] - dot(design.row(row), weights), 2);
    sum += targets[row];
    squares += targets[row] * targets[row];
  }
  return 1 - residual / (squares - sum * sum / count);
}

/// Returns the scores in the order of the trials, computed by the active backend.
Vector run(const std::vector<Trial>& trials, const jm::Shared<Matrix>& design, const jm::Shared<Vector>& targets) {
  return jm::Parallel()(trials | std::views::transform([&](const Trial& trial) {
                          return jm::delayed<held_out_r2>(design, targets, trial);
                        }));
}

}  // namespace

int main(int argc, char** argv) {
  jm::MpiSession session{argc, argv};
  const auto rows = static_cast<std::size_t>(argc > 1 ? std::atoi(argv[1]) : 600);
  const auto features = static_cast<std::size_t>(argc > 2 ? std::atoi(argv[2]) : 120);
  return session.run([&] {
    auto [matrix, noisy] = make_problem(rows, features);
    const auto design = jm::scatter(std::move(matrix));
    const auto targets = jm::scatter(std::move(noisy));

    const std::vector<double> alphas{0.01, 0.1, 1, 10, 30, 100, 300, 1000, 10000};
    std::vector<Trial> trials;
    for (const double alpha : alphas)
      for (std::size_t fold = 0; fold < folds; ++fold) trials.push_back({alpha, fold});
    const Vector scores = run(trials, design, targets);

    Vector means;
    std::printf("%10s %10s %10s\n", "alpha", "mean R²", "± std");
    for (std::size_t i = 0; i < alphas.size(); ++i) {
      const auto of_alpha = std::span(scores).subspan(i * folds, folds);
      means.push_back(std::accumulate(of_alpha.begin(), of_alpha.end(), 0.0) / folds);
      double squares = 0;
      for (const double score : of_alpha) squares += std::pow(score - means[i], 2);
      std::printf("%10g %9.4f %10.4f\n", alphas[i], means[i], std::sqrt(squares / folds));
    }
    std::printf("best alpha: %g\n", alphas.begin()[std::ranges::max_element(means) - means.begin()]);

    const jm::parallel_config one_after_another{{.backend = "sequential"}};
    const bool same = run(trials, design, targets) == scores;
    std::printf("the sequential backend's scores are %s\n", same ? "the same, bit for bit" : "DIFFERENT");
    return same ? 0 : 1;
  });
}
