#include "backends/sequential_backend.hpp"
#include "backends/threading_backend.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/error.hpp>

#include <map>
#include <mutex>
#include <utility>

namespace joblib_mpi {
namespace {

class Registry {
 public:
  static Registry& instance() {
    static Registry registry;
    return registry;
  }

  void add(const std::string& name, std::shared_ptr<Backend> backend) {
    const std::lock_guard lock(mutex_);
    if (!backends_.try_emplace(name, std::move(backend)).second) {
      throw UsageError("backend \"" + name + "\" is already registered: unregister it first, or choose another name");
    }
  }

  void remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    backends_.erase(name);
  }

  [[nodiscard]] std::shared_ptr<Backend> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (const auto found = backends_.find(name); found != backends_.end()) return found->second;
    std::string known;
    for (const auto& [known_name, backend] : backends_) known += (known.empty() ? "" : ", ") + known_name;
    throw UsageError("unknown backend \"" + name + "\"; known: " + known +
                     (name == "mpi" ? " (\"mpi\" is known on rank 0 inside MpiSession::run)" : ""));
  }

  [[nodiscard]] std::shared_ptr<Backend> default_backend() {
    const std::lock_guard lock(mutex_);
    const auto mpi = backends_.find("mpi");
    return mpi != backends_.end() ? mpi->second : backends_.at("threading");
  }

 private:
  Registry() {
    backends_.emplace("sequential", std::make_shared<SequentialBackend>());
    backends_.emplace("threading", std::make_shared<ThreadingBackend>());
  }

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Backend>> backends_;
};

}  // namespace

void register_backend(const std::string& name, std::shared_ptr<Backend> backend) {
  Registry::instance().add(name, std::move(backend));
}

void unregister_backend(const std::string& name) {
  Registry::instance().remove(name);
}

std::shared_ptr<Backend> find_backend(const std::string& name) {
  return Registry::instance().find(name);
}

std::shared_ptr<Backend> default_backend() {
  return Registry::instance().default_backend();
}

}  // namespace joblib_mpi
