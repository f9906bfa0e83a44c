#pragma once

#include <joblib_mpi/outcome.hpp>
#include <joblib_mpi/serialization.hpp>
#include <joblib_mpi/spilled.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi::detail {

/// The results of a call, apart from their type. Methods are those of ResultSink, except that nothing is counted here.
class Collector {
 public:
  virtual ~Collector() = default;
  virtual void store(std::size_t index, std::shared_ptr<void> result) = 0;
  virtual void load(std::size_t index, PayloadReader& result) = 0;
  virtual void save(const std::shared_ptr<void>& result, PayloadWriter& writer) const = 0;
  /// Keeps the error in place of the task's result. Returns false if this collector keeps only results.
  [[nodiscard]] virtual bool keep_error(std::size_t index, const std::exception_ptr& error) = 0;
};

/// The form in which a call keeps the results of its tasks.
enum class Keep { values, outcomes, spilled };

/// Collects the results of tasks that return `R` and returns them as a vector, in the order of the tasks.
template <class R, Keep keep>
class ResultCollector final : public Collector {
  static constexpr bool is_void = std::is_void_v<R>;
  static constexpr bool keeps_nothing = is_void && keep == Keep::values;
  static_assert(!is_void || keep != Keep::spilled, "Parallel::spilled is for functions that return something");

  struct Nothing {};
  using Kept = std::conditional_t<
      keep == Keep::outcomes, Outcome<R>,
      std::conditional_t<keep == Keep::spilled, Spilled<R>, std::conditional_t<is_void, Nothing, R>>>;

 public:
  /// Makes room for one more task, whose index is the number of those before it.
  void expect_one_more() {
    if constexpr (!keeps_nothing) kept_.emplace_back();
  }
  void store([[maybe_unused]] std::size_t index, [[maybe_unused]] std::shared_ptr<void> result) override {
    if constexpr (!is_void) {
      kept_[index].emplace(std::move(*static_cast<R*>(result.get())));
    } else if constexpr (!keeps_nothing) {
      kept_[index].emplace();
    }
  }
  void load([[maybe_unused]] std::size_t index, [[maybe_unused]] PayloadReader& result) override {
    if constexpr (keep == Keep::spilled) {
      kept_[index].emplace(result.rest());
    } else if constexpr (!is_void) {
      kept_[index].emplace(joblib_mpi::load<R>(result));
    } else if constexpr (!keeps_nothing) {
      kept_[index].emplace();
    }
  }
  void save([[maybe_unused]] const std::shared_ptr<void>& result,
            [[maybe_unused]] PayloadWriter& writer) const override {
    if constexpr (!is_void) joblib_mpi::save(writer, *static_cast<const R*>(result.get()));
  }
  [[nodiscard]] bool keep_error([[maybe_unused]] std::size_t index,
                                [[maybe_unused]] const std::exception_ptr& error) override {
    if constexpr (keep == Keep::outcomes) kept_[index].emplace(error);
    return keep == Keep::outcomes;
  }

  /// Returns what has been collected; every task must have ended.
  [[nodiscard]] auto take() {
    if constexpr (!keeps_nothing) {
      std::vector<Kept> results;
      results.reserve(kept_.size());
      for (std::optional<Kept>& result : kept_) results.push_back(std::move(*result));
      return results;
    }
  }

 private:
  std::deque<std::optional<Kept>> kept_;
};

}  // namespace joblib_mpi::detail
