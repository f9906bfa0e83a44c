#pragma once

#include <joblib_mpi/backend.hpp>

#include <memory>

namespace joblib_mpi {

/// Makes a backend the one named "mpi", and the default one, while the object lives: for the calls of the thread that
/// makes this object, and for those of all other threads unless several threads have such objects. Objects of one
/// thread nest. Once there was one, a call of a thread that has had none needs one, or the name of another backend.
class SessionBackend {
 public:
  explicit SessionBackend(std::shared_ptr<Backend> backend);
  SessionBackend(const SessionBackend&) = delete;
  SessionBackend& operator=(const SessionBackend&) = delete;
  /// Must be called on the thread that made the object.
  ~SessionBackend();
};

}  // namespace joblib_mpi
