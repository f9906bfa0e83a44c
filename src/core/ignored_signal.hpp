#pragma once

namespace joblib_mpi {

/// A signal that this process, and those that it forks from now on, live on after; while the object lives. A program's
/// own handler stays.
class IgnoredSignal {
 public:
  explicit IgnoredSignal(int number);
  IgnoredSignal(const IgnoredSignal&) = delete;
  IgnoredSignal& operator=(const IgnoredSignal&) = delete;
  ~IgnoredSignal() { heed(); }

  /// Ends it now, in this process.
  void heed();

 private:
  int number_;
  bool ignored_;
};

}  // namespace joblib_mpi
