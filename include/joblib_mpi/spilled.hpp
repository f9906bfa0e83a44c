#pragma once

#include <joblib_mpi/payload.hpp>
#include <joblib_mpi/serialization.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace joblib_mpi {

/// A result that is made only when it is asked for: until then a large one stays in its file. See `Parallel::spilled`.
/// Copies share what there is. One thread at a time may use it and its copies.
template <class R>
class Spilled {
 public:
  /// A result that is there already.
  explicit Spilled(R value) : state_(std::make_shared<State>(State{{}, std::move(value)})) {}
  /// A serialized result.
  explicit Spilled(Payload content) : state_(std::make_shared<State>(State{std::move(content), std::nullopt})) {}

  /// Whether the result lies in a file, not in rank 0's memory.
  [[nodiscard]] bool is_on_disk() const noexcept { return state_->content.on_disk && !state_->value; }
  /// The result, made anew; nothing of it is kept here. Throws SerializationError.
  [[nodiscard]] R load() const {
    if (state_->value) return *state_->value;
    PayloadReader reader(state_->content);
    return joblib_mpi::load<R>(reader);
  }
  /// The result, which is kept here from now on; its file is not. Throws SerializationError.
  [[nodiscard]] const R& get() const {
    if (!state_->value) {
      state_->value.emplace(load());
      state_->content = {};
    }
    return *state_->value;
  }

 private:
  struct State {
    Payload content;
    std::optional<R> value;
  };
  std::shared_ptr<State> state_;
};

}  // namespace joblib_mpi
