#pragma once

#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/serialization.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace joblib_mpi {

/// A result that is deserialized on request; a large one stays in its file until then. See `Parallel::spilled`.
/// Copies share their content. Only one thread at a time may use an object and its copies.
template <class R>
class Spilled {
 public:
  /// Holds a result that is in memory already.
  explicit Spilled(R value) : state_(std::make_shared<State>(State{{}, std::move(value)})) {}
  /// Holds a serialized result.
  explicit Spilled(Payload content) : state_(std::make_shared<State>(State{std::move(content), std::nullopt})) {}

  /// Returns true if the result lies in a file rather than in the memory of rank 0.
  [[nodiscard]] bool is_on_disk() const noexcept { return state_->content.on_disk && !state_->value; }
  /// Deserializes the result and returns it without keeping it. Throws SerializationError.
  [[nodiscard]] R load() const {
    if (state_->value) return *state_->value;
    PayloadReader reader(state_->content);
    return joblib_mpi::load<R>(reader);
  }
  /// Returns the result, which stays in memory from then on in place of its file. Throws SerializationError.
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
