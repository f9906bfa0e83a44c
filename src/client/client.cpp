#include "client/client.hpp"

#include "client/client_format.hpp"
#include "client/lendable_payload.hpp"
#include "client/meeting_point.hpp"
#include "client/object_owner.hpp"
#include "client/poll_patience.hpp"
#include "core/clock_duration.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <new>
#include <poll.h>
#include <random>
#include <string>
#include <utility>

namespace joblib_mpi {
namespace {

// Chosen, not measured.
constexpr std::size_t large_part_bytes = std::size_t{1} << 20;
constexpr std::size_t worth_giving_back = std::size_t{1} << 16;
constexpr std::chrono::seconds goodbye_patience{5};
constexpr std::chrono::milliseconds longest_wait{100};
// Before there is a turn for what is to be written.
constexpr int most_reads = 16;

bool has_large_parts(const Frame& frame) {
  return std::any_of(frame.parts.begin(), frame.parts.end(),
                     [](const SharedBytes& part) { return part.size() >= large_part_bytes; });
}

SessionKey new_session() {
  std::random_device source;
  SessionKey key;
  for (std::uint64_t& number : key) number = std::uint64_t{source()} << 32 | source();
  return key;
}

/// Returns a number for a call, an object or a question, which no client of this process has had: what a program has
/// kept of an earlier job must not name something else in a later one.
std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

Client::Client(const std::filesystem::path& path, Options options)
    : options_(std::move(options)), session_(new_session()), can_borrow_(true) {
  begin(meet(path, greeting(0), options_.patience));
}

Client::Client(Descriptor connection, Options options)
    : options_(std::move(options)), session_(new_session()), can_borrow_(false) {
  begin(meet_over(std::move(connection), greeting(0), options_.patience));
}

ClientGreeting Client::greeting(std::uint64_t received) const {
  return {options_.identity, session_, received, options_.resume_seconds, can_borrow_};
}

void Client::begin(Met met) {
  if (!met.greeting.refusal.empty()) throw JobGone(met.greeting.refusal);
  hosts_ = std::move(met.greeting.hosts);
  description_ = std::move(met.greeting.description);
  number_ = met.greeting.client;
  lends_ = met.greeting.lends;
  const LinkMemory memory{lends_ ? &pool_ : nullptr, [this] { event_.notify(); }};
  link_.connect(std::move(met.socket), met.greeting.received, options_.heartbeat_seconds, memory);
  thread_ = std::thread([this] { move_bytes(); });
}

Client::~Client() {
  close();
}

void Client::require_job() const {
  if (why_gone_) throw JobGone(*why_gone_);
}

template <class Message>
void Client::tell(Message&& message) {
  // What has large parts has a separate frame, whose memory is not kept for the sake of another message.
  if (queued_.empty() || has_large_parts(queued_.back())) queued_.emplace_back();
  append(queued_.back(), std::forward<Message>(message));
  event_.notify();
}

template <class Message>
void Client::tell_if_there(const Message& message) {
  const std::lock_guard lock(mutex_);
  if (!why_gone_ && !closing_) tell(message);
}

Client::Reply Client::wait_for_reply(std::unique_lock<std::mutex>& lock, std::uint64_t number) {
  changed_.wait(lock, [&] { return replies_.contains(number) || why_gone_; });
  auto reply = replies_.extract(number);
  if (reply.empty()) throw JobGone(*why_gone_);
  return std::move(reply.mapped());
}

CallId Client::start_call(const CallOptions& options) {
  std::unique_lock lock(mutex_);
  require_job();
  const CallId call{next_number()};
  tell(to_rank0::StartCall{call, options});
  calls_.insert(call);
  try {
    auto started = std::get<to_client::CallStarted>(wait_for_reply(lock, call.value));
    if (started.refusal == CallRefusal::none) return call;
    if (started.refusal == CallRefusal::spill) throw SpillError(started.reason);
    if (started.refusal == CallRefusal::memory) throw std::bad_alloc();
    throw JobGone(started.reason);
  } catch (...) {
    calls_.erase(call);
    throw;
  }
}

void Client::submit(CallId call, TaskRequest task) {
  if (lends_) make_lendable(task.arguments, pool_);
  const std::lock_guard lock(mutex_);
  require_job();
  const auto is_here = [this](ObjectId object) { return objects_.contains(object); };
  if (!std::all_of(task.objects.begin(), task.objects.end(), is_here)) {
    throw UsageError("the task needs an object that was dropped, or shared with an earlier job: share it again");
  }
  if (calls_.contains(call)) tell(to_rank0::SubmitTask{call, std::move(task)});
}

void Client::stop_starting(CallId call) {
  tell_if_there(to_rank0::StopStarting{call});
}

void Client::end_call(CallId call) {
  {
    const std::lock_guard lock(mutex_);
    if (calls_.erase(call) == 0) return;
    std::erase_if(results_, [call](const FinishedTask& task) { return task.call == call; });
  }
  tell_if_there(to_rank0::EndCall{call});
}

ObjectId Client::share(Payload value) {
  PartBytes part_bytes = part_bytes_of(value);
  const SharedBytes block = lends_ ? lendable_block(value, part_bytes, pool_) : SharedBytes();
  if (lends_ && block.size() == 0) make_lendable(value, pool_);
  const std::lock_guard lock(mutex_);
  require_job();
  const ObjectId object = object_of_client(number_, next_number());
  objects_.insert(object);
  if (block.size() > 0) {
    tell(to_rank0::ShareBlock{object, std::move(part_bytes), block});
  } else {
    tell(to_rank0::ShareObject{object, std::move(value)});
  }
  return object;
}

void Client::drop(ObjectId object) {
  const std::lock_guard lock(mutex_);
  objects_.erase(object);
  if (!why_gone_ && !closing_) tell(to_rank0::DropObject{object});
}

std::vector<std::uint64_t> Client::ask(Fact fact, std::size_t n_numbers, CallId call) {
  std::unique_lock lock(mutex_);
  require_job();
  const std::uint64_t question = next_number();
  tell(to_rank0::Ask{question, fact, call});
  auto answer = std::get<to_client::Answer>(wait_for_reply(lock, question));
  if (answer.numbers.size() != n_numbers) throw JobGone("the job has answered a question with too few numbers");
  return std::move(answer.numbers);
}

ObjectStats Client::object_stats() {
  const auto numbers = ask(Fact::object_stats, 6);
  ObjectStats stats;
  stats.objects = numbers[0];
  stats.object_bytes = numbers[1];
  stats.transfers = numbers[2];
  stats.segments = numbers[3];
  stats.segment_bytes = numbers[4];
  stats.spare_bytes = numbers[5];
  return stats;
}

std::size_t Client::unfinished_tasks() {
  return ask(Fact::unfinished_tasks, 1).front();
}

bool Client::results_fill_memory(CallId call) {
  return ask(Fact::results_fill_memory, 1, call).front() != 0;
}

std::uint64_t Client::room_elsewhere() {
  return ask(Fact::room_elsewhere, 1).front();
}

std::uint64_t Client::worker_returns() {
  return ask(Fact::worker_returns, 1).front();
}

std::vector<FileRefusal> Client::compare_file(const FileIdentity& file) {
  std::unique_lock lock(mutex_);
  require_job();
  const std::uint64_t question = next_number();
  tell(to_rank0::CompareFile{question, file});
  return std::get<to_client::FileRefusals>(wait_for_reply(lock, question)).refusals;
}

std::vector<FinishedTask> Client::next_results(double seconds) {
  std::unique_lock lock(mutex_);
  const auto deadline = std::chrono::steady_clock::now() + clock_duration(seconds);
  changed_.wait_until(lock, deadline, [this] { return !results_.empty() || woken_ || why_gone_; });
  woken_ = false;
  if (results_.empty()) require_job();
  return std::exchange(results_, {});
}

void Client::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

bool Client::is_gone() {
  const std::lock_guard lock(mutex_);
  return closing_ || why_gone_.has_value();
}

bool Client::wait_until_cut(double seconds) {
  return handover_.wait_until_wanted(ConnectionHandover::Clock::now() + clock_duration(seconds));
}

void Client::resume(Descriptor connection, std::chrono::milliseconds patience) {
  const std::uint64_t received = handover_.received();
  Met met = meet_over(std::move(connection), greeting(received), patience);
  if (!met.greeting.refusal.empty()) {
    handover_.give_up(met.greeting.refusal);
    throw JobGone(met.greeting.refusal);
  }
  handover_.bring(std::move(met));
}

void Client::give_up(std::string why) {
  handover_.give_up(std::move(why));
}

void Client::leave_to_parent() noexcept {
  // The lock may be that of a thread which the child does not have.
  is_parents_ = true;
  link_.abandon();
  if (thread_.joinable()) thread_.detach();
}

void Client::close() noexcept {
  if (is_parents_) return;
  std::thread thread;
  {
    const std::lock_guard lock(mutex_);
    if (!closing_ && !why_gone_) {
      tell(to_rank0::Goodbye{});
      closing_ = true;
      handover_.give_up("the client has left the job");
    }
    thread = std::exchange(thread_, {});
  }
  if (thread.joinable()) thread.join();
}

void Client::move_bytes() {
  std::string why;
  try {
    while (true) {
      why = use_connection();
      if (options_.resume_seconds <= 0 || is_gone()) break;
      const auto deadline = ConnectionHandover::Clock::now() + clock_duration(options_.resume_seconds);
      Met met = handover_.next(link_.received(), why, deadline);
      link_.connect(std::move(met.socket), met.greeting.received, options_.heartbeat_seconds);
    }
  } catch (const std::exception& error) {
    why = error.what();
  }
  note_end(std::move(why));
}

std::string Client::use_connection() {
  std::optional<FrameLink::Clock::time_point> give_up;  // on saying goodbye
  while (link_.connected()) {
    event_.take();
    const bool said_goodbye = !take_what_is_queued();
    const auto now = FrameLink::Clock::now();
    link_.attend(now);
    if (link_.is_overdue()) {
      const long seconds = std::lround(options_.heartbeat_seconds);
      link_.end_connection("the job has not answered for " + std::to_string(seconds) + " s");
      break;
    }
    link_.write();
    if (said_goodbye) {
      if (!give_up) give_up = now + goodbye_patience;
      if (!link_.has_more() || now >= *give_up) break;
    }
    wait_for_bytes(now);
  }
  return link_.why_gone().empty() ? "the job has closed the connection" : link_.why_gone();
}

void Client::wait_for_bytes(FrameLink::Clock::time_point now) {
  std::array<pollfd, 2> waiting{pollfd{link_.socket().get(), POLLIN, 0}, pollfd{event_.descriptor().get(), POLLIN, 0}};
  if (link_.has_more()) waiting[0].events |= POLLOUT;
  const auto patience = std::min<FrameLink::Clock::duration>(longest_wait, link_.next_attention() - now);
  (void)poll(waiting.data(), waiting.size(), poll_patience(patience));
  if ((waiting[0].revents & ~POLLOUT) != 0) take_what_has_come();
}

bool Client::take_what_is_queued() {
  const std::lock_guard lock(mutex_);
  // What is queued until the last messages have been written goes out together.
  if (!link_.has_more()) {
    for (Frame& frame : std::exchange(queued_, {})) link_.send(std::move(frame));
  }
  return !closing_ || !queued_.empty();
}

void Client::take_what_has_come() {
  const std::size_t kept = link_.unacknowledged_bytes();
  for (int turn = 0; turn < most_reads && link_.read(); ++turn) {
    while (const auto frame = link_.receive()) deliver(*frame);
    if (!link_.may_have_more()) break;
  }
  // The program may have memory to give back that messages had until now.
  if (link_.unacknowledged_bytes() + worth_giving_back <= kept) wake();
}

void Client::deliver(const Frame& frame) {
  ClientFrameReader reader(frame);
  {
    const std::lock_guard lock(mutex_);
    while (!reader.at_end()) {
      std::visit([this](auto&& message) { handle(std::move(message)); }, reader.next_to_client());
    }
  }
  changed_.notify_all();
}

void Client::handle(to_client::CallStarted&& message) {
  const std::uint64_t number = message.call.value;
  replies_.insert_or_assign(number, std::move(message));
}

void Client::handle(to_client::TaskFinished&& message) {
  if (calls_.contains(message.task.call)) results_.push_back(std::move(message.task));
}

void Client::handle(to_client::Answer&& message) {
  const std::uint64_t number = message.question;
  replies_.insert_or_assign(number, std::move(message));
}

void Client::handle(to_client::FileRefusals&& message) {
  const std::uint64_t number = message.question;
  replies_.insert_or_assign(number, std::move(message));
}

void Client::handle(to_client::SessionEnded&& message) {
  why_gone_ = std::move(message.reason);
}

void Client::note_end(std::string why) {
  handover_.give_up(why);
  {
    const std::lock_guard lock(mutex_);
    if (!why_gone_) why_gone_ = closing_ ? "the client has left the job" : std::move(why);
    queued_.clear();
  }
  changed_.notify_all();
}

}  // namespace joblib_mpi
