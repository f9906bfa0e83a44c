#include "client/client.hpp"
#include "client/client_format.hpp"
#include "client/client_job.hpp"
#include "client/connection_handover.hpp"
#include "client/meeting_point.hpp"

#include <array>
#include <chrono>
#include <set>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Carries bytes between a client and the job's socket, as "joblib-mpi connect" does, until it is cut.
class Relay {
 public:
  explicit Relay(const std::filesystem::path& job) : job_(connect_to(job)) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    clients_end_ = Descriptor(ends[0]);
    own_end_ = Descriptor(ends[1]);
    to_job_ = std::thread([this] { copy(own_end_, job_); });
    to_client_ = std::thread([this] { copy(job_, own_end_); });
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() {
    cut();
    to_job_.join();
    to_client_.join();
  }

  [[nodiscard]] Descriptor take_clients_end() { return std::move(clients_end_); }
  void cut() const {
    shutdown(own_end_.get(), SHUT_RDWR);
    shutdown(job_.get(), SHUT_RDWR);
  }

 private:
  static Descriptor connect_to(const std::filesystem::path& path) {
    Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.native().size() < sizeof address.sun_path);
    path.native().copy(address.sun_path, path.native().size());
    REQUIRE(connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return socket;
  }
  static void copy(const Descriptor& from, const Descriptor& to) {
    std::array<char, 4096> bytes{};
    while (true) {
      const ssize_t received = recv(from.get(), bytes.data(), bytes.size(), 0);
      if (received <= 0) break;
      if (send(to.get(), bytes.data(), static_cast<std::size_t>(received), MSG_NOSIGNAL) != received) break;
    }
    shutdown(to.get(), SHUT_RDWR);
    shutdown(from.get(), SHUT_RDWR);
  }

  Descriptor job_;
  Descriptor clients_end_;
  Descriptor own_end_;
  std::thread to_job_;
  std::thread to_client_;
};

Client::Options resuming(double seconds) {
  return {.identity = "version 1", .patience = patience, .resume_seconds = seconds};
}

}  // namespace

TEST_CASE("a cut connection loses no message and doubles none") {
  client_test::may_end = false;
  Job job;
  const ClientGreeting greeting{"version 1", {3, 4}, 0, 1e6};
  FrameLink link;
  Met met = meet(job.socket(), greeting, patience);
  link.connect(std::move(met.socket), met.greeting.received);
  const auto exchange = [&](auto&& until) {
    std::vector<MessageToClient> messages;
    while (!until(messages)) {
      link.write();
      if (!link.read()) std::this_thread::yield();
      while (const auto frame = link.receive()) {
        ClientFrameReader reader(*frame);
        while (!reader.at_end()) messages.push_back(reader.next_to_client());
      }
    }
    return messages;
  };
  Frame start;
  append(start, to_rank0::StartCall{{1}, {.n_jobs = 2}});
  append(start, to_rank0::SubmitTask{{1}, task_of<client_test::wait_for_the_test>(0)});
  link.send(std::move(start));
  (void)exchange([](const auto& messages) { return messages.size() == 1; });

  shutdown(link.socket().get(), SHUT_RDWR);
  while (link.connected()) (void)link.read();
  Frame next;
  append(next, to_rank0::SubmitTask{{1}, task_of<client_test::shout>(1, std::string("after the cut"))});
  link.send(std::move(next));
  client_test::may_end = true;
  ClientGreeting again = greeting;
  again.received = link.received();
  met = meet(job.socket(), again, patience);
  CHECK(met.greeting.refusal.empty());
  CHECK(met.greeting.received == 1);
  link.connect(std::move(met.socket), met.greeting.received);
  const auto messages = exchange([](const auto& all) { return all.size() == 2; });
  std::set<std::uint64_t> indices;
  for (const MessageToClient& message : messages) indices.insert(std::get<to_client::TaskFinished>(message).task.index);
  CHECK(indices == std::set<std::uint64_t>{0, 1});
  CHECK(job.server->n_clients() == 1);
}

TEST_CASE("a session that the job does not know cannot be resumed") {
  Job job;
  const Met met = meet(job.socket(), {"version 1", {5, 6}, 7, 60}, patience);
  CHECK(met.greeting.refusal == "the job has given this client up after its connection was cut");
}

TEST_CASE("a client goes on over one relay after another, and has each result once") {
  Job job;
  std::optional<Relay> relay(std::in_place, job.socket());
  Client client(relay->take_clients_end(), resuming(1e6));
  const CallId call = client.start_call({.n_jobs = 2});
  CHECK_FALSE(client.wait_until_cut(0));
  CHECK_THROWS_AS(client.resume(Descriptor(), patience), UsageError);
  constexpr std::uint64_t tasks_per_relay = 20;
  std::multiset<std::uint64_t> indices;
  std::uint64_t submitted = 0;
  for (int relays = 0; relays < 10; ++relays) {
    for (std::uint64_t task = 0; task < tasks_per_relay; ++task) {
      client.submit(call, task_of<client_test::shout>(submitted++, std::string(10'000, 'a')));
    }
    for (const FinishedTask& task : client.next_results(0)) indices.insert(task.index);
    relay->cut();
    REQUIRE(client.wait_until_cut(60));
    CHECK_FALSE(client.is_gone());
    client.submit(call, task_of<client_test::shout>(submitted++, std::string("while it is cut")));
    relay.emplace(job.socket());
    client.resume(relay->take_clients_end(), patience);
  }
  for (const FinishedTask& task : results(client, submitted - indices.size())) indices.insert(task.index);
  CHECK(indices.size() == submitted);
  CHECK(std::set<std::uint64_t>(indices.begin(), indices.end()).size() == submitted);
  CHECK(job.server->n_clients() == 1);
  client.close();
  job.wait_for_clients(0);
  CHECK_FALSE(client.wait_until_cut(60));
}

TEST_CASE("another connection that fails leaves the client cut, and one to a job that has given it up ends it") {
  Job job;
  Relay relay(job.socket());
  Client client(relay.take_clients_end(), resuming(1e6));
  (void)client.unfinished_tasks();
  relay.cut();
  REQUIRE(client.wait_until_cut(60));
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  close(ends[1]);
  CHECK_THROWS_AS(client.resume(Descriptor(ends[0]), patience), SerializationError);
  CHECK(client.wait_until_cut(0));
  job.server.reset();  // says that the job ends to those that it reaches
  job.server.emplace(job.cluster.driver(), ClientServer::Options{job.socket(), "version 1", {"host0"}});
  Relay other(job.socket());
  CHECK(error_text<JobGone>([&] { client.resume(other.take_clients_end(), patience); }) ==
        "the job has given this client up after its connection was cut");
  CHECK(error_text<JobGone>([&] { (void)client.next_results(60); }) ==
        "the job has given this client up after its connection was cut");
  CHECK_FALSE(client.wait_until_cut(0));
}

TEST_CASE("a client that is cut is gone once its time is over, and leaves at once if it is closed") {
  Job job;
  Relay relay(job.socket());
  Client brief(relay.take_clients_end(), resuming(0.01));
  relay.cut();
  CHECK(error_text<JobGone>([&] { (void)brief.next_results(60); }) ==
        "the job has closed the connection, and there was no other connection in time");

  Relay second(job.socket());
  Client leaving(second.take_clients_end(), resuming(1e6));
  second.cut();
  REQUIRE(leaving.wait_until_cut(60));
  leaving.close();
  CHECK(error_text<JobGone>([&] { (void)leaving.unfinished_tasks(); }) == "the client has left the job");
}
