#include "client/greeting.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/error.hpp>

#include <algorithm>
#include <cstring>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

GreetingReceiver received(ByteView bytes, std::size_t most) {
  GreetingReceiver receiver;
  while (!bytes.empty() && !receiver.space().empty()) {
    const std::size_t size = std::min({receiver.space().size(), bytes.size(), most});
    std::memcpy(receiver.space().data(), bytes.data(), size);
    receiver.filled(size);
    bytes = bytes.subspan(size);
  }
  return receiver;
}

}  // namespace

TEST_CASE("greetings arrive in any pieces, and nothing behind them is taken") {
  const Bytes of_client = encode(ClientGreeting{"python 3.11", {1, 2}, 3, 60, true});
  const Bytes of_server = encode(ServerGreeting{"no", 4, {"host0", "host1"}, 5, std::string("any\0bytes", 9), true});
  for (const std::size_t most : {1, 5, 1000}) {
    const ClientGreeting client = received(of_client, most).of_client();
    CHECK(client.identity == "python 3.11");
    CHECK(client.session == SessionKey{1, 2});
    CHECK(client.received == 3);
    CHECK(client.resume_seconds == 60);
    CHECK(client.can_borrow);
    const ServerGreeting server = received(of_server, most).of_server();
    CHECK(server.refusal == "no");
    CHECK(server.received == 4);
    CHECK(server.hosts == std::vector<std::string>{"host0", "host1"});
    CHECK(server.client == 5);
    CHECK(server.lends);
    CHECK(server.description == std::string("any\0bytes", 9));
  }
  Bytes longer = of_client;
  longer.push_back(std::byte{7});
  GreetingReceiver receiver;
  ByteView rest = longer;
  while (!receiver.space().empty()) {
    const std::size_t size = std::min(receiver.space().size(), rest.size());
    std::memcpy(receiver.space().data(), rest.data(), size);
    receiver.filled(size);
    rest = rest.subspan(size);
  }
  CHECK(rest.size() == 1);
}

TEST_CASE("another version is named, and what is no greeting is refused") {
  Bytes other = encode(ClientGreeting{});
  std::memcpy(other.data() + 16, "9.9.9\0", 6);
  CHECK_THAT(error_text<VersionMismatch>([&] { (void)received(other, 1000); }), contains("9.9.9: install one version"));
  CHECK_THROWS_AS(received(bytes("GET / HTTP/1.1" + std::string(100, ' ')), 1000), SerializationError);
  Bytes endless = encode(ClientGreeting{});
  std::memset(endless.data() + 56, 0xff, 8);
  CHECK_THROWS_AS(received(endless, 1000), SerializationError);
  Bytes cut = encode(ClientGreeting{"identity", {}, 0, 0});
  const std::uint64_t few = 4;
  std::memcpy(cut.data() + 56, &few, sizeof few);
  const GreetingReceiver receiver = received(cut, 1000);
  CHECK_THROWS_AS(receiver.of_client(), SerializationError);
}
