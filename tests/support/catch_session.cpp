#define CATCH_CONFIG_RUNNER
#include "support/catch_session.hpp"

#include "support/catch.hpp"

namespace {

std::string running;

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

class Listener final : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo& test_case) override { running = test_case.name; }
};
CATCH_REGISTER_LISTENER(Listener)

}  // namespace

int joblib_mpi::test::run_test_cases(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}

const std::string& joblib_mpi::test::running_test_case() {
  return running;
}
