#pragma once

#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/parallel_config.hpp>
#include <joblib_mpi/serialization.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// A read-only value that every rank has. Where a task's function takes a `const T&`, give it this.
///
/// Of a vector or a string of trivially copyable elements it may also take a `std::span<const Element>` or a
/// `std::string_view`: a large one is then read where it lies, in memory that all processes of the node share. For a
/// `const T&` each process makes a `T` of its own, once.
///
/// Copies share the value; it leaves the ranks when the last copy and the last task that names it are gone. May be used
/// from several threads.
template <class T>
class Shared {
 public:
  using element_type = T;

  [[nodiscard]] const T& operator*() const noexcept { return *state_->value; }
  [[nodiscard]] const T* operator->() const noexcept { return state_->value.get(); }

  /// Brings the value to `home`, once, and returns its id there.
  [[nodiscard]] ObjectId publish(ObjectHome& home) const {
    const std::lock_guard lock(state_->mutex);
    for (const auto& [serial_number, object] : state_->published) {
      if (serial_number == home.serial_number()) return *object;
    }
    Payload payload;
    PayloadWriter writer(payload);
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
/// serialized once, whatever the number of ranks and tasks; a large array is sent from where it is.
///
/// Throws what the serialization of `T` throws. In a backend of this process nothing is sent.
template <class U>
[[nodiscard]] Shared<std::decay_t<U>> scatter(U&& value) {
  using T = std::decay_t<U>;
  Shared<T> shared(std::make_shared<const T>(std::forward<U>(value)));
  const std::shared_ptr<Backend> backend = detail::active_config().backend;
  if (!backend->in_process()) (void)shared.publish(*backend);
  return shared;
}

namespace detail {
template <class T>
inline constexpr bool is_shared = false;
template <class T>
inline constexpr bool is_shared<Shared<T>> = true;
}  // namespace detail

}  // namespace joblib_mpi
