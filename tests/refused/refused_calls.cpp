// Mistakes that the compiler must explain, each in one message: check_refused.py compiles this file.

#include <joblib_mpi/delayed.hpp>
#include <joblib_mpi/parallel.hpp>
#include <joblib_mpi/scatter.hpp>

#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

namespace jm = joblib_mpi;

int same(int x);
int variadic(int x, ...);
int change(int& x);
int take_pointer(int* x);
int own(std::unique_ptr<int> x);
int sum(const std::vector<double>& values);

struct Adder {
  int add(int x) const;
};
struct Matrix {
  std::vector<double> values;
};
int take_matrix(const Matrix& matrix);
struct Solution {
  std::vector<double> values;
};
Solution solve(int x);
class Named {
 public:
  constexpr Named() {}

 private:
  const char* name_ = "";
};
int take_named(Named named);
int take_code(std::error_code code);
std::tuple<const int, int> give_tuple(int x);
struct Row {
  std::vector<double> values;
};
std::map<int, std::vector<Row>> rows(int x);
std::list<int> list(int x);
struct Setting {
  std::string_view name;
  int value;
};
int take_setting(Setting setting);
int take_texts(std::array<const char*, 2> texts);
int take_optional(std::optional<Setting> setting);
int take_either(std::variant<int, std::string_view> either);
struct Holder {
  struct Part {
    double* values = nullptr;
    template <class Archive>
    void serialize(Archive&, unsigned) {}
  } part;
};
int take_holder(Holder holder);
class Hidden final {
  int number_ = 0;
};
int take_hidden(Hidden hidden);
struct Given {
  explicit Given(int x);
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};
Given give(int x);
struct Scattered {
  std::vector<double> values;
};

void functions() {
  (void)jm::delayed<&Adder::add>(Adder{}, 1);               // refused: write a lambda that takes the object
  (void)jm::delayed<[](int x) mutable { return ++x; }>(1);  // refused: leave out `mutable`
  (void)jm::delayed<[](auto x) { return x; }>(1);           // refused: name the types of its parameters
  (void)jm::delayed<variadic>(1);                           // refused: write a lambda that has the parameters
  int captured = 1;
  const auto closure = [captured](int x) { return captured + x; };
  (void)jm::delayed<closure>(1);  // refused: without_captures
}

void arguments() {
  int number = 1;
  (void)jm::delayed<same>();               // refused: one argument for each parameter
  (void)jm::delayed<same>(1, 2);           // refused: one argument for each parameter
  (void)jm::delayed<same>("text");         // refused: does not convert; WrongArgument; const char (&)[5]
  (void)jm::delayed<sum>(jm::scatter(1));  // refused: does not convert; WrongArgument; Shared<int>
  (void)jm::delayed<change>(number);       // refused: take them by value or const&
}

void types() {
  (void)jm::delayed<take_pointer>(nullptr);                     // refused: views mean nothing on another rank
  (void)jm::delayed<take_setting>(Setting{});                   // refused: views mean nothing on another rank
  (void)jm::delayed<take_texts>(std::array<const char*, 2>{});  // refused: views mean nothing on another rank
  (void)jm::delayed<take_optional>(Setting{});                  // refused: views mean nothing on another rank
  (void)jm::delayed<take_either>(1);                            // refused: views mean nothing on another rank
  (void)jm::delayed<take_matrix>(Matrix{});                     // refused: has no `serialize`; Matrix
  (void)jm::delayed<solve>(1);                                  // refused: has no `serialize`; Solution
  (void)jm::delayed<rows>(1);                                   // refused: has no `serialize`; Row
  (void)jm::delayed<list>(1);                // refused: has no `serialize`; list<int; include Boost's header for it
  (void)jm::delayed<take_holder>(Holder{});  // refused: has no `serialize`; Holder
  (void)jm::delayed<take_hidden>(Hidden{});  // refused: has no `serialize`; Hidden
  (void)jm::delayed<take_named>(Named{});    // refused: holds a pointer, or a union; Named
  (void)jm::delayed<take_code>({});          // refused: views mean nothing on another rank
  (void)jm::delayed<give_tuple>(1);          // refused: a tuple with a const element
  (void)jm::delayed<give>(1);                // refused: needs a default constructor
  (void)jm::scatter(Scattered{});            // refused: has no `serialize`; Scattered
}

void ranges() {
  const auto numbers = std::views::iota(0, 4);
  (void)jm::Parallel{}(jm::delayed<same>(1));  // refused: takes a range of calls
  (void)jm::Parallel{}(numbers | std::views::transform([](int x) { return same(x); }));  // refused: write delayed<f>(x)
  std::vector<decltype(jm::delayed<own>(std::make_unique<int>(1)))> calls;
  (void)jm::Parallel{}(calls);  // refused: parallel(std::move(calls))
}

/// Returns the call of a function that differs from that of every other number.
template <int number>
auto numbered() {
  return jm::delayed<[](int x) { return number + x; }>(1);
}

void lists() {
  const jm::Parallel parallel;
  const auto call = jm::delayed<same>(1);
  (void)std::vector{call, call};
  (void)std::vector{numbered<1>(), call};           // refused: write one function that is told what to do
  (void)parallel({numbered<2>(), call});            // refused: write one function that is told what to do
  (void)parallel(numbered<3>(), call);              // refused: write one function that is told what to do
  (void)parallel(std::tuple{numbered<4>(), call});  // refused: write one function that is told what to do
  (void)parallel(std::pair{numbered<5>(), call});   // refused: write one function that is told what to do
  std::list<std::variant<decltype(numbered<6>()), decltype(call)>> either;
  (void)parallel(either);                        // refused: write one function that is told what to do
  (void)parallel({call, call});                  // refused: write Parallel{}(std::vector{
  (void)parallel(numbered<7>(), numbered<7>());  // refused: write Parallel{}(std::vector{
}
