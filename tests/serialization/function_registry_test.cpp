#include "backends/sequential_backend.hpp"
#include "support/catch.hpp"
#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/detail/function_registry.hpp>

#include <string>

using namespace joblib_mpi;
using namespace joblib_mpi::test;
using detail::function_name;

namespace registry_test {
double score(const std::vector<double>& data, int fold) {
  return data.at(static_cast<std::size_t>(fold));
}
template <class T>
T twice(T value) {
  return 2 * value;
}
}  // namespace registry_test

TEST_CASE("a function's name is found in what g++ calls an instantiation") {
  CHECK(function_name("static std::string Invocation<function, std::tuple<P ...>, std::tuple<S ...> >::name() "
                      "[with auto function = score; P = {const std::vector<double>&, int}; S = {int}]") == "score");
  CHECK(function_name("x::name() [with auto function = fits::twice<std::pair<int, int> >; P = {int}]") ==
        "fits::twice<std::pair<int, int> >");
  CHECK(function_name("x::name() [with auto function = main()::<lambda(int, int)>{}; P = {int}]") ==
        "main()::<lambda(int, int)>{}");
  CHECK(function_name("x::name() [with auto function = score]") == "score");
}

TEST_CASE("a function's name is found in what clang calls an instantiation") {
  CHECK(
      function_name("static std::string Invocation<&score, std::tuple<int>>::name() [function = &score, P = <int>]") ==
      "score");
  CHECK(function_name("x::name() [function = &fits::twice<std::pair<int, int>>, P = <int>]") ==
        "fits::twice<std::pair<int, int>>");
  CHECK(function_name("x::name() [function = (lambda at a.cpp:3:4){}, P = <int>]") == "(lambda at a.cpp:3:4){}");
}

TEST_CASE("a text of unknown form is its own name") {
  CHECK(function_name("something else") == "something else");
}

TEST_CASE("a delayed call is named after its function by this compiler") {
  const std::vector<double> data{1};
  CHECK(delayed<registry_test::score>(data, 0).name() == "registry_test::score");
  CHECK_THAT(std::string(delayed<registry_test::twice<int>>(1).name()), contains("registry_test::twice"));
  CHECK_THAT(std::string(delayed<[](int value) { return value; }>(1).name()), contains("lambda"));
}

TEST_CASE("a delayed call travels as the id of its function and its arguments") {
  SequentialBackend backend;
  auto call = delayed<registry_test::score>(std::vector<double>{1, 2, 4}, 2);
  const TaskArguments arguments = call.save(backend);
  CHECK(arguments.objects.empty());

  class NoObjects final : public detail::TaskObjects {
    const void* resolve(ObjectId, Load) override { throw std::logic_error("nothing was scattered"); }
  } objects;
  PayloadReader reader(arguments.payload);
  Payload result;
  PayloadWriter writer(result);
  const auto& function = detail::FunctionRegistry::instance().at(reader.read<detail::FunctionId>());
  CHECK(function.name == "registry_test::score");
  function.invoke(reader, objects, writer);
  PayloadReader result_reader(result);
  CHECK(load<double>(result_reader) == 4);
}

TEST_CASE("an id that no function has is refused") {
  const detail::FunctionId unknown{4'000'000'000};
  CHECK_THAT(error_text<SerializationError>([&] { (void)detail::FunctionRegistry::instance().at(unknown); }),
             contains("task function 4000000000 is unknown on this rank"));
}

TEST_CASE("registries of other functions or another order have another fingerprint") {
  detail::FunctionRegistry ab;
  detail::FunctionRegistry ba;
  detail::FunctionRegistry a;
  ab.add({"a", nullptr});
  ab.add({"b", nullptr});
  ba.add({"b", nullptr});
  ba.add({"a", nullptr});
  a.add({"a", nullptr});
  CHECK(ab.fingerprint() != ba.fingerprint());
  CHECK(ab.fingerprint() != a.fingerprint());
  a.add({"b", nullptr});
  CHECK(ab.fingerprint() == a.fingerprint());
}
