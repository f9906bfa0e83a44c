// What the two ends of a client's connection do for it beside passing on messages.

#include "client/client_format.hpp"
#include "client/client_job.hpp"
#include "client/meeting_point.hpp"
#include "client/object_owner.hpp"
#include "client/stream_io.hpp"
#include "support/bytes.hpp"
#include "support/open_files.hpp"

#include <algorithm>
#include <array>
#include <fcntl.h>
#include <poll.h>
#include <set>
#include <sstream>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using namespace std::chrono_literals;

namespace {

/// Returns the connection of the next client, which the test serves in place of a job.
Descriptor accept_client(const Descriptor& listening) {
  Descriptor socket;
  while (!socket.open()) socket = accept_own(listening);
  GreetingReceiver greeting;
  while (!greeting.space().empty()) greeting.filled(receive_now(socket, greeting.space()).bytes);
  CHECK(greeting.of_client().identity == "version 1");
  const Bytes answer = encode(ServerGreeting{"", 0, {"host0"}});
  CHECK(send(socket.get(), answer.data(), answer.size(), 0) == static_cast<ssize_t>(answer.size()));
  return socket;
}

std::set<std::string> threads_of_this_process() {
  std::set<std::string> threads;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    threads.insert(thread.path().filename().string());
  }
  return threads;
}

/// The time that a thread of this process has used on a processor, also readable while no more files can be opened.
class ThreadTime {
 public:
  explicit ThreadTime(const std::string& thread)
      : stat_(open(("/proc/self/task/" + thread + "/stat").c_str(), O_RDONLY | O_CLOEXEC)) {}

  [[nodiscard]] std::chrono::duration<double> used() const {
    std::string line(4096, '\0');
    const ssize_t size = pread(stat_.get(), line.data(), line.size(), 0);
    REQUIRE(size > 0);
    line.resize(static_cast<std::size_t>(size));
    std::istringstream fields(line.substr(line.rfind(')') + 1));  // proc(5): the fields from the third on
    std::string skipped;
    for (int field = 3; field < 14; ++field) fields >> skipped;
    double by_user = 0;
    double by_kernel = 0;
    fields >> by_user >> by_kernel;
    return std::chrono::duration<double>((by_user + by_kernel) / double(sysconf(_SC_CLK_TCK)));
  }

 private:
  Descriptor stat_;
};

/// The address of a job's socket, whose folder the test has opened.
class SocketAddress {
 public:
  explicit SocketAddress(const Descriptor& folder) {
    value_.sun_family = AF_UNIX;
    const std::string path = "/proc/self/fd/" + std::to_string(folder.get()) + "/socket";
    std::copy(path.begin(), path.end(), std::begin(value_.sun_path));
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&value_); }
  static constexpr socklen_t bytes = sizeof(sockaddr_un);

 private:
  sockaddr_un value_{};
};

/// Returns whether the other end closes the connection. What comes before is ignored.
bool is_closed_in_time(const Descriptor& connection) {
  pollfd waiting{connection.get(), POLLIN, 0};
  while (poll(&waiting, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 1) {
    std::array<std::byte, 4096> space{};
    if (receive_now(connection, space).is_gone) return true;
  }
  return false;
}

void send_greeting(const Descriptor& socket) {
  const Bytes greeting = encode(ClientGreeting{.identity = "version 1", .session = {1, 2}});
  REQUIRE(send(socket.get(), greeting.data(), greeting.size(), 0) == static_cast<ssize_t>(greeting.size()));
}

}  // namespace

TEST_CASE("a busy client does not delay the acknowledgements of a quiet one") {
  Job job;
  Client busy(job.socket(), {"version 1", patience});
  FrameLink quiet;
  Met met = meet(job.socket(), {.identity = "version 1", .session = {1, 2}}, patience);
  quiet.connect(std::move(met.socket), 0);
  Frame without_answer;
  append(without_answer, to_rank0::ShareObject{object_of_client(met.greeting.client, 1), {bytes("value"), {}}});
  quiet.send(std::move(without_answer));
  quiet.write();
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (quiet.unacknowledged_bytes() > 0 && std::chrono::steady_clock::now() < deadline) {
    (void)busy.unfinished_tasks();
    if (quiet.read()) CHECK_FALSE(quiet.receive());
  }
  CHECK(quiet.unacknowledged_bytes() == 0);
}

TEST_CASE("a client acknowledges what has arrived while a long message comes slowly") {
  const TemporaryFolder folder;
  const Descriptor listening = listen_at(folder / "socket");
  std::optional<Client> client;
  std::thread joining([&] { client.emplace(folder / "socket", Client::Options{"version 1", patience}); });
  FrameLink link;
  link.connect(accept_client(listening), 0);
  joining.join();
  Frame short_one;
  append(short_one, to_client::Answer{1, {}});
  link.send(std::move(short_one));
  link.write();
  const FrameHead long_one{2, 0, std::uint64_t{1} << 20, 0};
  (void)send(link.socket().get(), &long_one, sizeof long_one, 0);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (link.unacknowledged_bytes() > 0 && std::chrono::steady_clock::now() < deadline) {
    (void)send(link.socket().get(), "x", 1, 0);
    if (link.read()) CHECK_FALSE(link.receive());
    std::this_thread::sleep_for(1ms);
  }
  CHECK(link.unacknowledged_bytes() == 0);
}

TEST_CASE("a job that can open no more files goes on with its clients, and takes a new one once it can") {
  Job job(1);
  {
    Client first(job.socket(), {"version 1", patience});
    first.submit(first.start_call({.n_jobs = 1}), task_of<client_test::shout>(0, std::string("first")));
    (void)results(first, 1);  // the worker has started its threads now
  }
  job.server.reset();
  const std::set<std::string> others = threads_of_this_process();
  job.server.emplace(job.cluster.driver(), ClientServer::Options{job.socket(), "version 1", {"host0"}});
  std::set<std::string> threads = threads_of_this_process();
  std::erase_if(threads, [&](const std::string& thread) { return others.contains(thread); });
  REQUIRE(threads.size() == 1);
  const ThreadTime time_of_server(*threads.begin());
  Client client(job.socket(), {"version 1", patience});
  const CallId call = client.start_call({.n_jobs = 1});
  const Descriptor folder(open(job.socket().parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const SocketAddress address(folder);
  const Descriptor stranger(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto answer_comes = [&](std::chrono::milliseconds within) {
    pollfd waiting{stranger.get(), POLLIN, 0};
    return poll(&waiting, 1, static_cast<int>(within.count())) == 1;
  };
  {
    const NoMoreFiles limit;
    REQUIRE(connect(stranger.get(), address.get(), SocketAddress::bytes) == 0);
    send_greeting(stranger);
    const auto before = time_of_server.used();
    client.submit(call, task_of<client_test::shout>(0, std::string("still there")));
    CHECK(value_of<std::string>(results(client, 1)[0]) == "still there!");
    constexpr auto quiet_time = 1000ms;
    CHECK_FALSE(answer_comes(quiet_time));
    CHECK(time_of_server.used() - before < quiet_time / 2);  // it does not spin
    CHECK(job.server->n_clients() == 1);
  }
  CHECK(answer_comes(patience));
  job.wait_for_clients(2);
}

TEST_CASE("a job that answers no more is gone for its client") {
  const TemporaryFolder folder;
  const Descriptor listening = listen_at(folder / "socket");
  constexpr double heartbeat_seconds = 2;
  std::optional<Client> client;
  std::thread joining([&] {
    client.emplace(folder / "socket", Client::Options{"version 1", patience, heartbeat_seconds});
  });
  const Descriptor silent = accept_client(listening);
  joining.join();
  CHECK(error_text<JobGone>([&] { (void)client->start_call({.n_jobs = 1}); }) == "the job has not answered for 2 s");
  CHECK_THROWS_AS(client->next_results(1), JobGone);
}

TEST_CASE("a silent client is given up if its process has ended although its connection is open, and kept otherwise") {
  Job job;
  job.server.reset();
  constexpr double heartbeat_seconds = 2;
  job.server.emplace(
      job.cluster.driver(),
      ClientServer::Options{
          .socket = job.socket(), .identity = "version 1", .hosts = {"host0"}, .heartbeat_seconds = heartbeat_seconds});
  const Met silent = meet(job.socket(), {.identity = "version 1", .session = {3, 4}}, patience);
  job.wait_for_clients(1);
  const Descriptor folder(open(job.socket().parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const Descriptor left_over(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const SocketAddress address(folder);
  const pid_t child = fork();
  if (child == 0) _exit(connect(left_over.get(), address.get(), SocketAddress::bytes));
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  send_greeting(left_over);
  CHECK(is_closed_in_time(left_over));
  job.wait_for_clients(1);
}
