#include "core/program_identity.hpp"

#include "core/version.hpp"
#include "support/catch.hpp"

#include <array>
#include <cstdio>
#include <string>

using namespace joblib_mpi;
using joblib_mpi::test::contains;

TEST_CASE("a program names its version and itself and its build") {
  const std::string identity = program_identity();
  CHECK_THAT(identity, contains(std::string("joblib_mpi ") + version));
  CHECK_THAT(identity, contains("unit_tests"));
  CHECK_THAT(identity, contains("(build "));
  CHECK(identity.size() > identity.find("(build ") + 16);
}

TEST_CASE("a program's build is the build id that its linker has given it") {
  FILE* readelf = popen("readelf --notes /proc/$PPID/exe", "r");
  REQUIRE(readelf != nullptr);
  std::string notes;
  std::array<char, 256> line{};
  while (fgets(line.data(), line.size(), readelf) != nullptr) notes += line.data();
  REQUIRE(pclose(readelf) == 0);
  const std::string name = "Build ID: ";
  const auto begin = notes.find(name);
  REQUIRE(begin != std::string::npos);
  const auto id = begin + name.size();
  CHECK_THAT(program_identity(), contains("(build " + notes.substr(id, notes.find('\n', id) - id) + ")"));
}
