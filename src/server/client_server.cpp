#include "server/client_server.hpp"

#include "client/meeting_point.hpp"
#include "client/object_owner.hpp"
#include "client/poll_patience.hpp"
#include "client/stream_io.hpp"
#include "core/clock_duration.hpp"
#include "core/process_watch.hpp"
#include "segments/mapped_files.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cmath>
#include <exception>
#include <new>
#include <poll.h>
#include <system_error>
#include <utility>

namespace joblib_mpi {
namespace {

// Chosen, not measured. A process that connects has to greet in this time, and few do at once.
constexpr std::chrono::seconds greeting_patience{10};
constexpr std::size_t most_strangers = 64;
constexpr std::chrono::milliseconds pause_without_room{500};
// How late the end of a client's time is noticed, at most, and how soon an answer of workers goes on.
constexpr std::chrono::milliseconds longest_wait{100};
constexpr std::chrono::milliseconds look_for_answers_after{1};
constexpr std::chrono::seconds farewell_patience{1};
// Of one client before the next one has its turn.
constexpr int most_reads = 16;

/// Tells a client why it is not served any more, if it still listens. Returns false.
bool part_with(ServedClient& client, std::string why) {
  client.end_session(std::move(why));
  client.link().write();
  return false;
}

std::chrono::steady_clock::duration time_to_resume(double seconds) {
  constexpr double most_seconds = 86400;
  return clock_duration(std::isfinite(seconds) ? std::clamp(seconds, 0.0, most_seconds) : 0.0);
}

}  // namespace

ClientServer::ClientServer(CoordinatorDriver& driver, Options options)
    : driver_(&driver), options_(std::move(options)), listening_(listen_at(options_.socket)) {
  if (options_.segments != nullptr) MappedFiles::of_process().hand_on();
  thread_ = std::thread([this] { serve(); });
}

ClientServer::~ClientServer() {
  stopping_ = true;
  event_.notify();
  thread_.join();
  std::error_code ignored;
  std::filesystem::remove(options_.socket, ignored);
}

void ClientServer::serve() {
  try {
    while (!stopping_) {
      const bool is_wanted = wait();
      event_.take();
      const auto now = Clock::now();
      if (is_wanted) welcome(now);
      std::erase_if(strangers_, [&](Stranger& stranger) { return greet(stranger, now); });
      std::erase_if(members_, [&](Member& member) { return !serve(member, now); });
      n_clients_ = members_.size();
      n_clients_so_far_ = n_admitted_;  // after the number of those that are there
    }
    why_ended_ = "the job has ended";
  } catch (const std::exception& error) {
    why_ended_ = error.what();
  }
  say_farewell();
}

bool ClientServer::wait() {
  const auto now = Clock::now();
  const int listening = now >= listens_from_ ? listening_.get() : -1;  // poll ignores what is negative
  std::vector<pollfd> waiting{{event_.descriptor().get(), POLLIN, 0}, {listening, POLLIN, 0}};
  for (const Stranger& stranger : strangers_) {
    waiting.push_back({stranger.socket.get(), static_cast<short>(stranger.answer.empty() ? POLLIN : POLLOUT), 0});
  }
  Clock::duration patience = longest_wait;
  for (const Member& member : members_) {
    const FrameLink& link = member.client->link();
    if (member.client->waits_for_workers()) patience = std::min<Clock::duration>(patience, look_for_answers_after);
    patience = std::min(patience, link.next_attention() - now);
    if (!link.connected()) continue;
    waiting.push_back({link.socket().get(), static_cast<short>(link.has_more() ? POLLIN | POLLOUT : POLLIN), 0});
  }
  (void)poll(waiting.data(), waiting.size(), poll_patience(patience));
  return waiting[1].revents != 0;
}

void ClientServer::welcome(Clock::time_point now) {
  try {
    while (true) {
      Descriptor socket = accept_own(listening_);
      if (!socket.open()) return;
      if (strangers_.size() == most_strangers) strangers_.erase(strangers_.begin());
      strangers_.push_back({std::move(socket), now + greeting_patience});
    }
  } catch (const std::system_error&) {  // those that wait can do so until others have left
    listens_from_ = now + pause_without_room;
  }
}

bool ClientServer::greet(Stranger& stranger, Clock::time_point now) {
  if (now >= stranger.deadline) return true;
  if (stranger.answer.empty() && !receive_greeting(stranger)) return !stranger.socket.open();
  if (!send_answer(stranger)) return !stranger.socket.open();
  if (stranger.greeted) admit(stranger);
  return true;
}

bool ClientServer::receive_greeting(Stranger& stranger) {
  try {
    while (!stranger.greeting.space().empty()) {
      const Moved moved = receive_now(stranger.socket, stranger.greeting.space());
      if (moved.is_gone) stranger.socket.close();
      if (moved.bytes == 0) return false;
      stranger.greeting.filled(moved.bytes);
    }
    ClientGreeting greeting = stranger.greeting.of_client();
    const ServerGreeting answer = answer_to(greeting);
    if (answer.refusal.empty()) stranger.greeted = std::move(greeting);
    stranger.number = answer.client;
    stranger.lends = answer.lends;
    stranger.answer = encode(answer);
  } catch (const VersionMismatch& error) {
    // The beginning of this answer tells any version what it needs.
    stranger.answer = encode(ServerGreeting{error.what(), 0, {}});
  } catch (const std::exception&) {  // it is no client
    stranger.socket.close();
    return false;
  }
  return true;
}

bool ClientServer::send_answer(Stranger& stranger) {
  while (stranger.answered < stranger.answer.size()) {
    const Moved moved = send_now(stranger.socket, ByteView(stranger.answer).subspan(stranger.answered));
    if (moved.is_gone) stranger.socket.close();
    if (moved.bytes == 0) return false;
    stranger.answered += moved.bytes;
  }
  return true;
}

ServerGreeting ClientServer::answer_to(const ClientGreeting& greeting) {
  if (greeting.identity != options_.identity) {
    return {"the job has " + options_.identity + ", and its client has " + greeting.identity +
                ": install the same on both sides",
            0,
            {}};
  }
  const Member* const known = member(greeting.session);
  if (known == nullptr && greeting.received > 0) {
    return {"the job has given this client up after its connection was cut", 0, {}};
  }
  if (known == nullptr && last_number_ == most_clients) return {"the job has had as many clients as it can", 0, {}};
  ServerGreeting answer{.hosts = options_.hosts, .description = options_.description};
  answer.lends = greeting.can_borrow && options_.segments != nullptr;
  answer.received = known != nullptr ? known->client->link().received() : 0;
  answer.client = known != nullptr ? known->client->number() : ++last_number_;
  return answer;
}

ClientServer::Member* ClientServer::member(const SessionKey& session) {
  const auto found =
      std::find_if(members_.begin(), members_.end(), [&](const Member& member) { return member.session == session; });
  return found != members_.end() ? &*found : nullptr;
}

void ClientServer::admit(Stranger& stranger) {
  const ClientGreeting& greeting = *stranger.greeted;
  Member* admitted = member(greeting.session);
  if (admitted == nullptr) {
    members_.push_back(
        {greeting.session, time_to_resume(greeting.resume_seconds),
         std::make_unique<ServedClient>(stranger.number, *driver_, event_, options_.most_untaken_bytes)});
    admitted = &members_.back();
    ++n_admitted_;
  }
  try {
    admitted->process = peer_process(stranger.socket);
    const LinkMemory memory{stranger.lends ? options_.segments : nullptr, [this] { event_.notify(); },
                            options_.segments};
    admitted->client->link().connect(std::move(stranger.socket), greeting.received, options_.heartbeat_seconds, memory);
    admitted->gone_since.reset();
  } catch (const SerializationError&) {  // it has lost what it had, and is kept until its time is over
  }
}

bool ClientServer::serve(Member& member, Clock::time_point now) {
  ServedClient& client = *member.client;
  FrameLink& link = client.link();
  try {
    for (int turn = 0; turn < most_reads && link.read(); ++turn) {
      while (const auto frame = link.receive()) client.take(*frame);
      if (!link.may_have_more()) break;
    }
    if (client.has_left()) return false;
    client.go_on(now);
  } catch (const SerializationError& error) {  // the client has a fault that no new connection mends
    return part_with(client, error.what());
  } catch (const std::bad_alloc&) {
    return part_with(client, "rank 0 has no memory left for what this client has sent");
  }
  link.attend(now);
  if (link.is_overdue()) {
    // A process that is stopped may go on. One that has ended may have left its socket to a child. A client that can
    // resume has a relay in between, which may wait for a network that is gone.
    if (member.resume_time > Clock::duration::zero()) {
      link.end_connection("the client has been silent for too long");
    } else if (member.process != 0 && has_ended(member.process)) {
      link.end_connection("the client's process has ended");
    } else {
      link.excuse_silence();
    }
  }
  link.write();
  if (link.connected()) return true;
  if (!member.gone_since) member.gone_since = now;
  return now - *member.gone_since < member.resume_time;
}

void ClientServer::say_farewell() noexcept {
  try {
    for (const Member& member : members_) member.client->end_session(why_ended_);
    const auto deadline = Clock::now() + farewell_patience;
    const auto writes = [](const Member& member) { return member.client->link().has_more(); };
    while (std::any_of(members_.begin(), members_.end(), writes) && Clock::now() < deadline) {
      for (const Member& member : members_) member.client->link().write();
      (void)poll(nullptr, 0, poll_patience(look_for_answers_after));
    }
  } catch (const std::exception&) {  // they see that the connection is closed
  }
  members_.clear();
  n_clients_ = 0;
}

}  // namespace joblib_mpi
