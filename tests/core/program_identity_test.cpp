#include "core/program_identity.hpp"

#include "core/version.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi;
using joblib_mpi::test::contains;

TEST_CASE("a program names its version and itself and its build") {
  const std::string identity = program_identity();
  CHECK_THAT(identity, contains(std::string("joblib_mpi ") + version));
  CHECK_THAT(identity, contains("unit_tests"));
  CHECK_THAT(identity, contains("(build "));
  CHECK(identity.size() > identity.find("(build ") + 16);
}

TEST_CASE("a program has the same identity whenever it is asked") {
  CHECK(program_identity() == program_identity());
}
