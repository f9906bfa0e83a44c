#pragma once

#include <joblib_mpi/detail/object_id.hpp>
#include <joblib_mpi/detail/payload.hpp>

#include <atomic>
#include <cstdint>
#include <memory>

namespace joblib_mpi {

/// A place to which scattered objects can be brought.
class ObjectHome {
 public:
  virtual ~ObjectHome() = default;
  /// Returns a process-unique number; unlike the address of this object it is never reused.
  [[nodiscard]] std::uint64_t serial_number() const noexcept { return serial_number_; }
  /// Brings an object here, where it stays until the last copy of the returned pointer is destroyed.
  [[nodiscard]] virtual std::shared_ptr<const ObjectId> share(Payload value) = 0;
  /// Returns the use of the bytes that `share` takes.
  [[nodiscard]] virtual PayloadWriter::Use use() const { return PayloadWriter::Use::load; }

 private:
  static inline std::atomic<std::uint64_t> made_{0};
  const std::uint64_t serial_number_ = ++made_;
};

}  // namespace joblib_mpi
