#pragma once

#include <sys/resource.h>

namespace joblib_mpi::test {

/// Sets a limit of this process, such as RLIMIT_NOFILE, during the life of the object.
template <auto resource>
class ResourceLimit {
 public:
  explicit ResourceLimit(rlim_t limit) {
    getrlimit(resource, &before_);
    const rlimit lower{limit, before_.rlim_max};
    setrlimit(resource, &lower);
  }
  ResourceLimit(const ResourceLimit&) = delete;
  ResourceLimit& operator=(const ResourceLimit&) = delete;
  ~ResourceLimit() { setrlimit(resource, &before_); }

 private:
  rlimit before_{};
};

}  // namespace joblib_mpi::test
