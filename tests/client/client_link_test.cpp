// What the two ends of a client's connection do for it beside passing on messages.

#include "client/client_format.hpp"
#include "client/client_job.hpp"
#include "client/meeting_point.hpp"
#include "client/stream_io.hpp"
#include "support/bytes.hpp"

#include <sys/socket.h>

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

}  // namespace

TEST_CASE("a busy client does not delay the acknowledgements of a quiet one") {
  Job job;
  Client busy(job.socket(), "version 1", patience);
  FrameLink quiet;
  quiet.connect(meet(job.socket(), {.identity = "version 1", .session = {1, 2}}, patience).socket, 0);
  Frame without_answer;
  append(without_answer, to_rank0::ShareObject{{1}, {bytes("value"), {}}});
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
  std::thread joining([&] { client.emplace(folder / "socket", "version 1", patience); });
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
