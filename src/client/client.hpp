#pragma once

#include "client/client_messages.hpp"
#include "client/connection_handover.hpp"
#include "client/frame_link.hpp"
#include "client/greeting.hpp"
#include "client/job_gone.hpp"
#include "client/link_heartbeat.hpp"
#include "client/meeting_point.hpp"
#include "client/wake_event.hpp"
#include "core/file_identity.hpp"
#include "core/file_refusal.hpp"
#include "core/finished_task.hpp"
#include "core/frame.hpp"
#include "core/ids.hpp"
#include "core/task_request.hpp"
#include "segments/descriptor.hpp"
#include "segments/segment_pool.hpp"
#include <joblib_mpi/detail/call_options.hpp>
#include <joblib_mpi/error.hpp>
#include <joblib_mpi/object_stats.hpp>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace joblib_mpi {

/// Lets a process that is no rank use the workers of a job, as rank 0's program does through CoordinatorDriver. A
/// separate thread moves the bytes. Any thread may call any function.
///
/// Once the job is gone, functions that ask for something throw JobGone, and those that end something do nothing. The
/// job is gone when its connection is cut, unless the client may resume.
class Client {
 public:
  struct Options {
    std::string identity;                ///< The versions on which client and job must agree.
    std::chrono::milliseconds patience;  ///< The time in which the job must answer the greeting.
    /// The time after which a connection on which nothing was heard is cut; 0 allows any silence. Client and job must
    /// agree on it.
    double heartbeat_seconds = default_link_heartbeat_seconds;
    double resume_seconds = 0;  ///< The time in which a cut connection may be followed by another one; 0 for never.
  };

  /// Joins the job that listens at `path`. Throws what `meet` throws, and JobGone if the job refuses.
  Client(const std::filesystem::path& path, Options options);
  /// Joins the job at the other end of `connection`, a stream socket. Throws what `meet_over` throws, and JobGone if
  /// the job refuses.
  Client(Descriptor connection, Options options);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  /// Calls `close`.
  ~Client();

  /// Returns the processor names, by rank.
  [[nodiscard]] const std::vector<std::string>& hosts() const noexcept { return hosts_; }
  /// Returns what the job's program says of the job: any bytes.
  [[nodiscard]] const std::string& description() const noexcept { return description_; }

  /// Starts a call, of which the results come from `next_results`. Throws SpillError, and std::bad_alloc if rank 0 has
  /// no memory left.
  [[nodiscard]] CallId start_call(const CallOptions& options);
  /// Queues a task. Throws UsageError if it needs an object that this client has not shared or has dropped.
  void submit(CallId call, TaskRequest task);
  void stop_starting(CallId call);
  /// Ends the call: nothing of it is delivered any more.
  void end_call(CallId call);
  [[nodiscard]] ObjectId share(Payload value);
  void drop(ObjectId object);
  [[nodiscard]] ObjectStats object_stats();
  [[nodiscard]] std::size_t unfinished_tasks();
  [[nodiscard]] bool results_fill_memory(CallId call);
  [[nodiscard]] std::vector<FileRefusal> compare_file(const FileIdentity& file);
  [[nodiscard]] std::uint64_t room_elsewhere();
  [[nodiscard]] std::uint64_t worker_returns();

  /// Returns the results that have arrived. Waits until there are some, `wake` was called, memory of messages was
  /// released, or `seconds` have passed.
  [[nodiscard]] std::vector<FinishedTask> next_results(double seconds);
  /// Ends the current wait of `next_results`, or the next one.
  void wake();
  /// Returns whether the job is gone, or was left.
  [[nodiscard]] bool is_gone();
  /// Says goodbye to the job, which then ends all calls of this client, and waits until that is on its way.
  void close() noexcept;

  /// Waits until the connection is cut and `resume` would help, and returns true; returns false after `seconds`, or if
  /// the client is gone.
  [[nodiscard]] bool wait_until_cut(double seconds);
  /// Goes on over another stream socket to the same job: nothing is lost, and nothing comes twice. Throws what
  /// `meet_over` throws, after which another connection may help, JobGone if the job has given this client up, and
  /// UsageError if the connection is not cut.
  void resume(Descriptor connection, std::chrono::milliseconds patience);

  /// Lets the job be gone for the reason `why` if the connection is cut, or once it is, instead of waiting for another
  /// one.
  void give_up(std::string why);

  /// Closes the connection in a child process that was forked, where it is the parent's; `close` does nothing then.
  /// Nothing else may be called in the child, which must not destroy the client either.
  void leave_to_parent() noexcept;

 private:
  using Reply = std::variant<to_client::CallStarted, to_client::Answer, to_client::FileRefusals>;

  /// Queues a message. The lock must be held.
  template <class Message>
  void tell(Message&& message);
  /// Queues a message unless the job is gone.
  template <class Message>
  void tell_if_there(const Message& message);
  /// Returns the reply to the question `number`, which was queued, after giving up `lock` for the time of the wait.
  [[nodiscard]] Reply wait_for_reply(std::unique_lock<std::mutex>& lock, std::uint64_t number);
  [[nodiscard]] std::vector<std::uint64_t> ask(Fact fact, std::size_t n_numbers, CallId call = {});
  /// Throws JobGone if the job is gone. The lock must be held.
  void require_job() const;

  /// Returns what this client says first on a connection, when the frames up to `received` have arrived.
  [[nodiscard]] ClientGreeting greeting(std::uint64_t received) const;
  /// Begins to move bytes over the first connection. Throws JobGone if the job has refused.
  void begin(Met met);

  // On the thread of the connection:
  void move_bytes();
  /// Moves bytes until the connection is gone, and returns why.
  [[nodiscard]] std::string use_connection();
  /// Waits for bytes or `event_`, until the link is to be attended to; `now` is when it was.
  void wait_for_bytes(FrameLink::Clock::time_point now);
  /// Returns false once everything was taken after `close`.
  bool take_what_is_queued();
  void take_what_has_come();
  void deliver(const Frame& frame);
  void handle(to_client::CallStarted&& message);
  void handle(to_client::TaskFinished&& message);
  void handle(to_client::Answer&& message);
  void handle(to_client::FileRefusals&& message);
  void handle(to_client::SessionEnded&& message);
  void note_end(std::string why);

  const Options options_;
  const SessionKey session_;  // drawn at random
  std::vector<std::string> hosts_;
  std::string description_;
  std::uint64_t number_ = 0;  // of this client in the job
  const bool can_borrow_;     // whether descriptors can come over the connection
  bool lends_ = false;        // whether both ends lend memory to each other
  SegmentPool pool_;          // the memory that is lent
  WakeEvent event_;
  FrameLink link_;  // of the thread of the connection
  ConnectionHandover handover_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Frame> queued_;
  std::vector<FinishedTask> results_;
  std::unordered_set<CallId> calls_;
  std::unordered_set<ObjectId> objects_;
  std::unordered_map<std::uint64_t, Reply> replies_;
  bool woken_ = false;
  bool closing_ = false;
  std::optional<std::string> why_gone_;
  bool is_parents_ = false;  // in a forked child

  std::thread thread_;
};

}  // namespace joblib_mpi
