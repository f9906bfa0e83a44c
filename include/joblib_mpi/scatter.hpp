#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/detail/active_config.hpp>
#include <joblib_mpi/detail/object_home.hpp>
#include <joblib_mpi/detail/payload.hpp>
#include <joblib_mpi/serialization.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// A read-only value that every rank has. Pass it to `delayed` where the task's function takes a `const T&`.
///
/// If `T` is a vector or a string of trivially copyable elements, the function may also take a `std::span<const
/// Element>` or a `std::string_view`: a large array is then read in place, from memory that all processes of the node
/// share. For a `const T&` each process makes one `T`.
///
/// Copies share the value, which leaves the ranks when the last copy and the last task that names it are gone. Several
/// threads may use an object and its copies.
template <class T>
class Shared {
 public:
  /// The type of the value.
  using element_type = T;

  /// Returns the value in this process.
  [[nodiscard]] const T& operator*() const noexcept { return *state_->value; }
  /// Gives access to a member of the value in this process.
  [[nodiscard]] const T* operator->() const noexcept { return state_->value.get(); }

  /// Brings the value to `home` unless it is there already, and returns its id there. Called by the library.
  [[nodiscard]] ObjectId publish(ObjectHome& home) const {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [serial_number, object] : state_->published) {
      if (serial_number == home.serial_number()) return *object;
    }
    Payload payload;
    PayloadWriter writer(payload, home.use());
    save_owned(writer, state_->value);
    auto object = home.share(std::move(payload));
    state_->published.emplace_back(home.serial_number(), object);
    return *object;
  }

 private:
  template <class U>
  friend Shared<std::decay_t<U>> scatter(U&& value);

  struct State {
    std::shared_ptr<const T> value;
    std::mutex mutex;
    std::vector<std::pair<std::uint64_t, std::shared_ptr<const ObjectId>>> published;  // by home
  };

  explicit Shared(std::shared_ptr<const T> value) : state_(std::make_shared<State>()) {
    state_->value = std::move(value);
  }

  std::shared_ptr<State> state_;
};

/// Takes `value` and starts to broadcast it to every rank of the active backend. Returns at once. The value is
/// serialized once for any number of ranks and tasks; a large array is sent from where it lies. If tasks run in this
/// process, nothing is sent. Throws what the serialization of `T` throws.
template <class U>
[[nodiscard]] Shared<std::decay_t<U>> scatter(U&& value) {
  using T = std::decay_t<U>;
  Shared<T> shared(std::make_shared<const T>(std::forward<U>(value)));
  const std::shared_ptr<Backend> backend = detail::active_config().backend;
  if (!backend->in_process()) (void)shared.publish(*backend);
  return shared;
}

}  // namespace joblib_mpi
