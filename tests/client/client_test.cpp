#include "client/client.hpp"

#include "client/client_format.hpp"
#include "client/client_job.hpp"
#include "client/meeting_point.hpp"
#include "client/object_owner.hpp"
#include "support/bytes.hpp"

#include <set>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

/// Returns the next message of one kind that the job sends; those of others are ignored.
template <class Message>
Message next_message(FrameLink& link) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < deadline && (link.read() || link.connected())) {
    while (const auto frame = link.receive()) {
      ClientFrameReader reader(*frame);
      while (!reader.at_end()) {
        MessageToClient message = reader.next_to_client();
        if (auto* const expected = std::get_if<Message>(&message)) return std::move(*expected);
      }
    }
    std::this_thread::yield();
  }
  FAIL("the job has not sent the message");
  return {};
}

}  // namespace

TEST_CASE("a client's tasks run on the workers and their results come back") {
  Job job;
  Client client(job.socket(), {"version 1", patience});
  CHECK(client.hosts() == std::vector<std::string>{"host0", "host1", "host2"});
  const CallId call = client.start_call({.n_jobs = 2});
  constexpr std::uint64_t n_tasks = 200;
  for (std::uint64_t index = 0; index < n_tasks; ++index) {
    client.submit(call, task_of<client_test::shout>(index, std::to_string(index)));
  }
  std::set<std::uint64_t> indices;
  for (const FinishedTask& task : results(client, n_tasks)) {
    CHECK(task.call == call);
    CHECK(value_of<std::string>(task) == std::to_string(task.index) + "!");
    indices.insert(task.index);
  }
  CHECK(indices.size() == n_tasks);
  CHECK(client.unfinished_tasks() == 0);
  client.end_call(call);
}

TEST_CASE("large arrays go both ways, also more of them than a client may leave untaken") {
  Job job(2, std::size_t{1} << 20);
  Client client(job.socket(), {"version 1", patience});
  const CallId call = client.start_call({.n_jobs = 2});
  constexpr std::uint64_t n_tasks = 20;
  for (std::uint64_t index = 0; index < n_tasks; ++index) {
    client.submit(call, task_of<client_test::twice>(index, std::vector<double>(100'000, double(index))));
  }
  for (const FinishedTask& task : results(client, n_tasks)) {
    CHECK(value_of<std::vector<double>>(task) == std::vector<double>(100'000, 2.0 * double(task.index)));
  }
}

TEST_CASE("several clients have calls and objects of their own") {
  Job job;
  Client first(job.socket(), {"version 1", patience});
  FrameLink second;  // as in another process, where numbers are given that this one gives as well
  second.connect(meet(job.socket(), {.identity = "version 1", .session = {1, 2}}, patience).socket, 0);
  const CallId call = first.start_call({.n_jobs = 2});
  Frame start;
  append(start, to_rank0::StartCall{call, {.n_jobs = 2}});
  append(start, to_rank0::SubmitTask{call, task_of<client_test::shout>(0, std::string("second"))});
  second.send(std::move(start));
  second.write();
  first.submit(call, task_of<client_test::shout>(0, std::string("first")));
  CHECK(value_of<std::string>(results(first, 1)[0]) == "first!");
  CHECK(value_of<std::string>(next_message<to_client::TaskFinished>(second).task) == "second!");
  const ObjectId shared = first.share({bytes("of the first"), {}});
  CHECK(first.object_stats().objects == 1);
  Frame drop;
  append(drop, to_rank0::DropObject{shared});  // it has none of this number
  append(drop, to_rank0::Ask{1, Fact::object_stats});
  second.send(std::move(drop));
  second.write();
  CHECK(next_message<to_client::Answer>(second).numbers.at(0) == 1);
  first.drop(shared);
  while (first.object_stats().objects > 0) std::this_thread::yield();
}

TEST_CASE("a call that ends or starts no more delivers as it does on rank 0") {
  client_test::may_end = false;
  client_test::started = 0;
  Job job(1);
  Client client(job.socket(), {"version 1", patience});
  const CallId stopped = client.start_call({.n_jobs = 1});
  for (std::uint64_t index = 0; index < 3; ++index)
    client.submit(stopped, task_of<client_test::wait_for_the_test>(index));
  while (client_test::started == 0) std::this_thread::yield();
  client.stop_starting(stopped);
  auto cancelled = results(client, 2);
  CHECK(cancelled[0].ending == TaskEnding::cancelled);
  CHECK(cancelled[1].ending == TaskEnding::cancelled);
  client_test::may_end = true;
  CHECK(value_of<int>(results(client, 1)[0]) == 1);

  const CallId ended = client.start_call({.n_jobs = 1});
  client.submit(ended, task_of<client_test::shout>(0, std::string("a")));
  client.end_call(ended);
  client.submit(ended, task_of<client_test::shout>(1, std::string("b")));
  const CallId next = client.start_call({.n_jobs = 1});
  client.submit(next, task_of<client_test::shout>(0, std::string("c")));
  CHECK(results(client, 1)[0].call == next);
}

TEST_CASE("waiting for results ends when it is told to, and after its time") {
  Job job;
  Client client(job.socket(), {"version 1", patience});
  CHECK(client.next_results(0.001).empty());
  std::thread waker([&] { client.wake(); });
  CHECK(client.next_results(1e9).empty());
  waker.join();
}

TEST_CASE("a client that leaves or dies takes its calls with it") {
  client_test::may_end = true;
  Job job;
  {
    Client client(job.socket(), {"version 1", patience});
    (void)client.share({bytes("value"), {}});
    const CallId call = client.start_call({.n_jobs = 2});
    client.submit(call, task_of<client_test::wait_for_the_test>(0));
    job.wait_for_clients(1);
  }
  job.wait_for_clients(0);
  {
    const Met met = meet(job.socket(), {.identity = "version 1", .session = {1, 2}}, patience);
    CHECK(met.greeting.refusal.empty());
    job.wait_for_clients(1);
  }
  job.wait_for_clients(0);
  Client client(job.socket(), {"version 1", patience});
  while (client.unfinished_tasks() > 0 || client.object_stats().objects > 0) std::this_thread::yield();
}

TEST_CASE("the end of the job is an error that says so") {
  Job job;
  Client client(job.socket(), {"version 1", patience});
  const CallId call = client.start_call({.n_jobs = 2});
  job.server.reset();
  CHECK(error_text<JobGone>([&] {
          while (true) (void)client.next_results(1);
        }) == "the job has ended");
  CHECK_THROWS_AS(client.start_call({.n_jobs = 2}), JobGone);
  CHECK_THROWS_AS(client.submit(call, task_of<client_test::shout>(0, std::string("a"))), JobGone);
  CHECK_THROWS_AS(client.object_stats(), JobGone);
  CHECK_THROWS_AS(client.share({bytes("value"), {}}), JobGone);
  client.stop_starting(call);
  client.end_call(call);
  client.drop({1});
  CHECK_THROWS_AS(Client(job.socket(), {"version 1", patience}), std::system_error);
}

TEST_CASE("another identity is refused with both named") {
  Job job;
  CHECK(error_text<JobGone>([&] {
          const Client client(job.socket(), {"version 2", patience});
        }) == "the job has version 1, and its client has version 2: install the same on both sides");
}

TEST_CASE("a task has the objects of its client, and none of an earlier job or that was dropped") {
  ObjectId earlier{};
  {
    Job job;
    earlier = Client(job.socket(), {"version 1", patience}).share({bytes("of another job"), {}});
  }
  Job job;
  Client client(job.socket(), {"version 1", patience});
  const CallId call = client.start_call({.n_jobs = 1});
  const ObjectId object = client.share({bytes("value"), {}});
  const ObjectId dropped = client.share({bytes("value"), {}});
  client.drop(dropped);
  CHECK(object.value > earlier.value);
  for (const ObjectId needed : {dropped, earlier, object}) {
    TaskRequest task = task_of<client_test::shout>(0, std::string("a"));
    task.objects = {needed};
    if (needed == object) {
      client.submit(call, std::move(task));
    } else {
      CHECK_THROWS_AS(client.submit(call, std::move(task)), UsageError);
    }
  }
  CHECK(value_of<std::string>(results(client, 1)[0]) == "a!");
}

TEST_CASE("a large object is lent as one block, which rank 0 has until it is dropped") {
  Job job;
  Client client(job.socket(), {"version 1", patience});
  constexpr std::size_t size = 2 * BorrowedMemory::least_adopted_bytes;
  const ObjectId object = client.share({bytes("head"), {SharedBytes(pattern(size, 1)), part("small")}});
  CHECK(client.object_stats().object_bytes == size + 9);
  CHECK(job.segments.adopted_stats().segments == 1);
  CHECK(job.segments.adopted_stats().bytes >= size);
  client.drop(object);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (job.segments.adopted_stats().segments > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(job.segments.adopted_stats().segments == 0);
}

TEST_CASE("a client whose block has another size than its object is told so and let go") {
  Job job;
  FrameLink link;
  Met met = meet(job.socket(), {.identity = "version 1", .session = {1, 2}}, patience);
  link.connect(std::move(met.socket), 0);
  Frame frame;
  const ObjectId object = object_of_client(met.greeting.client, 1);
  append(frame, to_rank0::ShareBlock{object, {1, UINT64_MAX}, SharedBytes(Bytes(128))});
  link.send(std::move(frame));
  link.write();
  CHECK(next_message<to_client::SessionEnded>(link).reason == "a shared object is larger than its block of memory");
}

TEST_CASE("objects of several clients and of rank 0 have different names") {
  Job job;
  const ObjectId own = job.cluster.driver().share({bytes("of rank 0"), {}});
  Client first(job.socket(), {"version 1", patience});
  Client second(job.socket(), {"version 1", patience});
  const ObjectId of_first = first.share({bytes("of the first"), {}});
  const ObjectId of_second = second.share({bytes("of the second"), {}});
  CHECK(owner_of(own) == 0);
  CHECK(owner_of(of_first) != owner_of(of_second));
  CHECK(owner_of(of_first) * owner_of(of_second) != 0);
  (void)second.object_stats();  // answered once its object has arrived
  CHECK(first.object_stats().objects == 3);

  FrameLink link;
  link.connect(meet(job.socket(), {.identity = "version 1", .session = {7, 8}}, patience).socket, 0);
  Frame frame;
  append(frame, to_rank0::ShareObject{of_second, {bytes("in its place"), {}}});
  link.send(std::move(frame));
  link.write();
  CHECK(next_message<to_client::SessionEnded>(link).reason == "a client has named an object as another does");
}

TEST_CASE("a client whose task names an object that does not exist is told so and let go") {
  Job job;
  FrameLink link;
  link.connect(meet(job.socket(), {.identity = "version 1", .session = {7, 8}}, patience).socket, 0);
  TaskRequest task = task_of<client_test::shout>(0, std::string("a"));
  task.objects = {ObjectId{7}};
  Frame frame;
  append(frame, to_rank0::StartCall{{1}, {.n_jobs = 1}});
  append(frame, to_rank0::SubmitTask{{1}, std::move(task)});
  link.send(std::move(frame));
  link.write();
  CHECK(next_message<to_client::SessionEnded>(link).reason == "a client's task needs an object that does not exist");
  job.wait_for_clients(0);
}

TEST_CASE("a job says of itself what it was given, and a client that was forked leaves the connection to its parent") {
  TemporaryFolder folder;
  LoopbackCluster cluster(1);
  std::optional<ClientServer> server(
      std::in_place, cluster.driver(),
      ClientServer::Options{
          .socket = folder / "socket", .identity = "version 1", .hosts = {"host0"}, .description = "any words"});
  std::optional<Client> client(std::in_place, folder / "socket", Client::Options{"version 1", patience});
  CHECK(client->description() == "any words");
  CHECK_FALSE(client->is_gone());
  const pid_t child = fork();
  if (child == 0) {
    client->leave_to_parent();
    client->close();
    _exit(0);
  }
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK_FALSE(client->is_gone());
  CHECK(server->n_clients() == 1);
  client->close();
  CHECK(client->is_gone());
  { const Client second(folder / "socket", {"version 1", patience}); }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (server->n_clients_so_far() < 2 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  CHECK(server->n_clients_so_far() == 2);
}

TEST_CASE("bytes that are no messages end the client that sends them, and no other") {
  Job job;
  Client other(job.socket(), {"version 1", patience});
  Met met = meet(job.socket(), {.identity = "version 1", .session = {7, 8}}, patience);
  job.wait_for_clients(2);
  FrameLink link;
  link.connect(std::move(met.socket), 0);
  link.send({bytes("no message"), {}});
  link.write();
  CHECK(next_message<to_client::SessionEnded>(link).reason ==
        "message of unknown kind 110 between rank 0 and a client");
  job.wait_for_clients(1);
  Descriptor half = meet(job.socket(), {.identity = "version 1", .session = {9, 9}}, patience).socket;
  job.wait_for_clients(2);
  (void)send(half.get(), "half a head", 11, 0);
  const CallId call = other.start_call({.n_jobs = 1});
  other.submit(call, task_of<client_test::shout>(0, std::string("still there")));
  CHECK(value_of<std::string>(results(other, 1)[0]) == "still there!");
}
