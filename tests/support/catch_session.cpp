#define CATCH_CONFIG_RUNNER
#include "support/catch_session.hpp"

#include "support/catch.hpp"

int joblib_mpi::test::run_test_cases(int argc, char** argv) { return Catch::Session().run(argc, argv); }
