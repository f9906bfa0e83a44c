#pragma once

namespace joblib_mpi {

/// Makes this process, and processes that it forks from now on, ignore a signal while the object lives. A handler that
/// the program has installed stays in place.
class IgnoredSignal {
 public:
  explicit IgnoredSignal(int number);
  IgnoredSignal(const IgnoredSignal&) = delete;
  IgnoredSignal& operator=(const IgnoredSignal&) = delete;
  ~IgnoredSignal() { heed(); }

  /// Restores the signal's default action now, in this process only.
  void heed();

 private:
  int number_;
  bool ignored_;
};

}  // namespace joblib_mpi
