#pragma once

#include "client/greeting.hpp"
#include "client/link_heartbeat.hpp"
#include "client/wake_event.hpp"
#include "coordinator/coordinator_driver.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"
#include "server/served_client.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace joblib_mpi {

/// Lets clients use the workers of this job: processes of this user that connect to a socket. A separate thread
/// serves them; another one must drive the coordinator.
///
/// A client whose connection is cut is kept for the time that it has asked for, and goes on if it connects again.
class ClientServer {
 public:
  struct Options {
    std::filesystem::path socket;  ///< Is made here, in a folder that only this user can enter, and removed at the end.
    std::string identity;          ///< The versions on which a client must agree.
    std::vector<std::string> hosts;  ///< The processor names, by rank.
    // Chosen, not measured: more than what a client takes in a moment, and little beside the memory of a node.
    std::size_t most_untaken_bytes = std::size_t{256} << 20;    ///< of results, beyond which a client's tasks wait
    double heartbeat_seconds = default_link_heartbeat_seconds;  ///< as that of the clients; 0 allows any silence
    std::string description = {};  ///< What the job's program says of it to those of clients: any bytes.
    /// The memory for messages, which is lent to clients on this machine, as theirs is to rank 0; null for neither.
    SegmentPool* segments = nullptr;
  };

  /// Throws std::system_error if the socket cannot be made.
  ClientServer(CoordinatorDriver& driver, Options options);
  ClientServer(const ClientServer&) = delete;
  ClientServer& operator=(const ClientServer&) = delete;
  /// Tells the clients that the session has ended, and ends their calls.
  ~ClientServer();

  /// Returns the number of clients, those included that are kept.
  [[nodiscard]] std::size_t n_clients() const noexcept { return n_clients_; }
  /// Returns the number of clients that there have been; `n_clients` counts them until they leave.
  [[nodiscard]] std::size_t n_clients_so_far() const noexcept { return n_clients_so_far_; }

 private:
  using Clock = std::chrono::steady_clock;

  /// A connection on which greetings are exchanged.
  struct Stranger {
    Descriptor socket;
    Clock::time_point deadline;
    GreetingReceiver greeting{};
    Bytes answer{};
    std::size_t answered = 0;
    std::optional<ClientGreeting> greeted{};  ///< unless it was refused
    std::uint64_t number = 0;                 ///< that it was told
    bool lends = false;                       ///< whether it was told that memory is lent
  };
  struct Member {
    SessionKey session;
    Clock::duration resume_time;
    std::unique_ptr<ServedClient> client;
    pid_t process = 0;  ///< the one that has connected; 0 if it cannot be seen from here
    std::optional<Clock::time_point> gone_since{};
  };

  void serve();
  /// Waits until there is something to do, and returns whether a process wants to connect.
  [[nodiscard]] bool wait();
  void welcome(Clock::time_point now);
  /// Goes on with the greeting; returns true if the stranger is a stranger no more.
  [[nodiscard]] bool greet(Stranger& stranger, Clock::time_point now);
  [[nodiscard]] bool receive_greeting(Stranger& stranger);
  [[nodiscard]] bool send_answer(Stranger& stranger);
  [[nodiscard]] ServerGreeting answer_to(const ClientGreeting& greeting);
  void admit(Stranger& stranger);
  [[nodiscard]] Member* member(const SessionKey& session);
  /// Serves one client; returns false once it has ended.
  [[nodiscard]] bool serve(Member& member, Clock::time_point now);
  void say_farewell() noexcept;

  CoordinatorDriver* driver_;
  const Options options_;
  Descriptor listening_;
  Clock::time_point listens_from_{};  // later than now if this process could take no more connections
  WakeEvent event_;
  std::vector<Stranger> strangers_;
  std::vector<Member> members_;
  std::uint64_t last_number_ = 0;  // of a client
  std::string why_ended_;
  std::size_t n_admitted_ = 0;
  std::atomic<std::size_t> n_clients_{0};
  std::atomic<std::size_t> n_clients_so_far_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace joblib_mpi
