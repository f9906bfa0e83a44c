#include "support/loopback_transport.hpp"

#include "support/bytes.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {
void send(Transport& from, int destination, std::string_view body) {
  Frame frame{bytes(body), {}};
  from.send(destination, frame);
}
std::string next_body(Transport& transport) {
  const auto arrived = transport.receive();
  return arrived ? text(arrived->frame.body) : "(nothing)";
}
}  // namespace

TEST_CASE("every loopback transport knows its rank and their number") {
  const auto cluster = LoopbackTransport::make_cluster(3);
  REQUIRE(cluster.size() == 3);
  for (int rank = 0; rank < 3; ++rank) {
    CHECK(cluster[static_cast<std::size_t>(rank)]->rank() == rank);
    CHECK(cluster[static_cast<std::size_t>(rank)]->size() == 3);
  }
}

TEST_CASE("loopback frames reach their rank in the order in which they were sent") {
  const auto cluster = LoopbackTransport::make_cluster(3);
  CHECK_FALSE(cluster[1]->receive());
  send(*cluster[0], 1, "one");
  send(*cluster[0], 2, "other");
  send(*cluster[0], 1, "two");
  CHECK_FALSE(cluster[1]->quiet());
  const auto first = cluster[1]->receive();
  REQUIRE(first);
  CHECK(first->source == 0);
  CHECK(text(first->frame.body) == "one");
  CHECK(next_body(*cluster[1]) == "two");
  CHECK(next_body(*cluster[1]) == "(nothing)");
  CHECK(next_body(*cluster[2]) == "other");
  CHECK(cluster[1]->quiet());
}

TEST_CASE("a sent loopback frame is left empty and its parts arrive in memory of their own") {
  const auto cluster = LoopbackTransport::make_cluster(2);
  Frame frame{bytes("body"), {part("part"), part("")}};
  const void* memory = frame.parts[0].view().data();
  cluster[1]->send(0, frame);
  CHECK(frame.empty());
  CHECK(frame.parts.empty());
  const auto arrived = cluster[0]->receive();
  REQUIRE(arrived);
  CHECK(arrived->source == 1);
  REQUIRE(arrived->frame.parts.size() == 2);
  CHECK(text(arrived->frame.parts[0].view()) == "part");
  CHECK(arrived->frame.parts[1].size() == 0);
  CHECK(static_cast<const void*>(arrived->frame.parts[0].view().data()) != memory);
}

TEST_CASE("a loopback broadcast is complete on a rank once it and rank 0 have queued it") {
  const auto cluster = LoopbackTransport::make_cluster(3);
  Bytes source = bytes("data");
  Bytes first = bytes("....");
  Bytes second = bytes("....");
  CHECK(cluster[1]->broadcast(first, nullptr) == 1);
  CHECK(cluster[1]->broadcasts_done() == 0);
  CHECK_FALSE(cluster[1]->quiet());
  CHECK(cluster[0]->broadcast(source, nullptr) == 1);
  CHECK(cluster[1]->broadcasts_done() == 1);
  CHECK(text(first) == "data");
  CHECK(cluster[0]->broadcasts_done() == 0);  // rank 2 has not received it
  CHECK(cluster[2]->broadcast(second, nullptr) == 1);
  CHECK(text(second) == "data");
  CHECK(cluster[0]->broadcasts_done() == 1);
  CHECK(cluster[0]->quiet());
}

TEST_CASE("what a rank has sent before it dies arrives and nothing after") {
  const auto cluster = LoopbackTransport::make_cluster(3);
  send(*cluster[1], 0, "last words");
  send(*cluster[0], 1, "unheard");
  cluster[1]->die(LoopbackTransport::Death::found);
  CHECK(next_body(*cluster[0]) == "last words");
  send(*cluster[0], 1, "in vain");
  CHECK_THROWS_AS(cluster[1]->receive(), LoopbackRankDied);
  CHECK_THROWS_AS(send(*cluster[1], 0, "ghost"), LoopbackRankDied);
  CHECK(next_body(*cluster[0]) == "(nothing)");
}

TEST_CASE("a death that is found is told once to each rank and a silent one to none") {
  const auto cluster = LoopbackTransport::make_cluster(4);
  cluster[1]->die(LoopbackTransport::Death::found);
  cluster[2]->die(LoopbackTransport::Death::silent);
  CHECK(cluster[0]->take_lost_ranks() == std::vector{1});
  CHECK(cluster[0]->take_lost_ranks().empty());
  CHECK(cluster[3]->take_lost_ranks() == std::vector{1});
}

TEST_CASE("nothing comes from a rank that was given up and nothing reaches it") {
  const auto cluster = LoopbackTransport::make_cluster(3);
  cluster[0]->give_up(1);
  send(*cluster[1], 0, "late");
  send(*cluster[2], 0, "other");
  send(*cluster[0], 1, "in vain");
  CHECK(next_body(*cluster[0]) == "other");
  CHECK(next_body(*cluster[0]) == "(nothing)");
  CHECK(next_body(*cluster[1]) == "(nothing)");
}

TEST_CASE("a rank that has ended its broadcasts takes part in none and waits for none") {
  const auto cluster = LoopbackTransport::make_cluster(3);
  Bytes source = bytes("data");
  Bytes first = bytes("....");
  Bytes second = bytes("....");
  CHECK(cluster[1]->broadcast(first, nullptr) == 1);
  cluster[1]->end_broadcasts();
  CHECK(cluster[1]->quiet());
  CHECK(cluster[0]->broadcast(source, nullptr) == 1);
  CHECK(text(first) == "....");
  cluster[0]->end_broadcasts();
  CHECK(cluster[0]->quiet());
  CHECK(cluster[2]->broadcast(second, nullptr) == 1);
  CHECK(text(second) == "....");
}
