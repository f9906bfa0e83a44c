#include "backends/sequential_backend.hpp"
#include "backends/session_backend.hpp"
#include "backends/threading_backend.hpp"
#include <joblib_mpi/backend.hpp>
#include <joblib_mpi/error.hpp>

#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

namespace joblib_mpi {
namespace {

/// The backends of the sessions that this thread runs, the innermost last.
thread_local std::vector<std::shared_ptr<Backend>> own_sessions;
thread_local bool has_run_session = false;

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

  void begin_session(std::shared_ptr<Backend> backend) {
    const std::lock_guard lock(mutex_);
    if (own_sessions.empty()) sessions_.push_back(backend);
    own_sessions.push_back(std::move(backend));
    has_run_session = true;
    had_session_ = true;
  }

  void end_session() {
    const std::lock_guard lock(mutex_);
    if (own_sessions.size() == 1) std::erase(sessions_, own_sessions.back());
    own_sessions.pop_back();
  }

  [[nodiscard]] std::shared_ptr<Backend> find(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (name == "mpi") {
      if (auto session = session_of_thread()) return session;
    }
    if (const auto found = backends_.find(name); found != backends_.end()) return found->second;
    std::set<std::string> known;
    for (const auto& [known_name, backend] : backends_) known.insert(known_name);
    if (!sessions_.empty()) known.insert("mpi");
    std::string list;
    for (const std::string& known_name : known) list += (list.empty() ? "" : ", ") + known_name;
    throw UsageError("unknown backend \"" + name + "\"; known: " + list +
                     (name == "mpi" ? " (\"mpi\" is known on rank 0 inside MpiSession::run)" : ""));
  }

  [[nodiscard]] std::shared_ptr<Backend> default_backend() {
    const std::lock_guard lock(mutex_);
    if (auto session = session_of_thread()) return session;
    if (const auto mpi = backends_.find("mpi"); mpi != backends_.end()) return mpi->second;
    if (had_session_ && !has_run_session) {
      throw UsageError(
          "Parallel was called after MpiSession::run had ended, on another thread than that of run: make the call "
          "inside run, or name the backend, as in {.backend = \"threading\"}");
    }
    return backends_.at("threading");
  }

 private:
  /// Returns the backend of the session to which this thread belongs, or null without a session.
  [[nodiscard]] std::shared_ptr<Backend> session_of_thread() const {
    if (!own_sessions.empty()) return own_sessions.back();
    if (sessions_.size() > 1) {
      throw UsageError(
          "several sessions are running in this process: make the call on the thread that called MpiSession::run");
    }
    return sessions_.empty() ? nullptr : sessions_.front();
  }

  Registry() {
    backends_.emplace("sequential", std::make_shared<SequentialBackend>());
    backends_.emplace("threading", std::make_shared<ThreadingBackend>());
  }

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Backend>> backends_;
  std::vector<std::shared_ptr<Backend>> sessions_;  // one for each thread that runs a session
  bool had_session_ = false;
};

}  // namespace

SessionBackend::SessionBackend(std::shared_ptr<Backend> backend) {
  Registry::instance().begin_session(std::move(backend));
}

SessionBackend::~SessionBackend() {
  Registry::instance().end_session();
}

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
