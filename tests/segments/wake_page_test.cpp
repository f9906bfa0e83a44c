#include "segments/wake_page.hpp"

#include "support/catch.hpp"

#include <chrono>
#include <optional>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

using namespace joblib_mpi;

namespace {

constexpr std::chrono::minutes too_long{1};

}  // namespace

TEST_CASE("a rank is woken by another process that has its page") {
  const OwnWakePage own;
  const WakePage elsewhere(own.file());
  CHECK(&elsewhere.flag() != &own.flag());
  CHECK_FALSE(own.flag().take());

  const pid_t other = fork();
  if (other == 0) {
    elsewhere.flag().notify();
    _exit(0);
  }
  CHECK(own.flag().wait_for(too_long));
  CHECK(waitpid(other, nullptr, 0) == other);
  own.flag().notify();
  CHECK(elsewhere.flag().take());
  CHECK_FALSE(own.flag().take());  // one flag, seen at two addresses
}

TEST_CASE("a rank that was away learns from another one's page how the session has ended") {
  const OwnWakePage own;
  const WakePage elsewhere(own.file());
  CHECK(elsewhere.session_end().status() == std::nullopt);
  const int status = GENERATE(0, 1, 255);
  own.session_end().tell(status);
  CHECK(elsewhere.session_end().status() == status);
  CHECK_FALSE(own.flag().take());
}

TEST_CASE("a page that is taken keeps what was notified, and lasts as long as one that maps it") {
  std::optional<OwnWakePage> first(std::in_place);
  first->flag().notify();
  const OwnWakePage second(another_descriptor(first->file().get()));
  first.reset();
  CHECK(second.flag().take());
}

TEST_CASE("a file without room for a page is none") {
  CHECK_THROWS_AS(WakePage(make_memory_file(sizeof(WakeFlag))), std::system_error);
  CHECK_THROWS_AS(OwnWakePage(make_memory_file(sizeof(WakeFlag))), std::system_error);
  CHECK_THROWS_AS(OwnWakePage(Descriptor()), std::system_error);
}
