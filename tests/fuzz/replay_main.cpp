// Runs a fuzz target without libFuzzer: on its seeds and on inputs that are made of them at random, or on files.
//
//   PROGRAM                  seeds and random inputs, the same ones each time; JOBLIB_MPI_TEST_ROUNDS multiplies them
//   PROGRAM FILE…            these files, such as those that libFuzzer has found
//   PROGRAM --write FOLDER   writes the seeds into the folder, for libFuzzer

#include "fuzz/fuzz_target.hpp"
#include "support/rounds.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <unistd.h>

using namespace joblib_mpi;
using namespace joblib_mpi::test;

namespace {

constexpr int inputs_per_seed = 2000;

std::size_t current_seed = 0;
int current_input = 0;

[[maybe_unused]] void say_which(int number) {
  char text[100];
  const int size =
      std::snprintf(text, sizeof text, "signal %d at seed %zu, input %d\n", number, current_seed, current_input);
  (void)!write(STDERR_FILENO, text, static_cast<std::size_t>(size));
  std::signal(number, SIG_DFL);
  raise(number);
}

void run(const Bytes& input) {
  // A copy of just this size, so that AddressSanitizer sees the first byte beyond it.
  const Bytes exact = copy_of(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(exact.data()), exact.size());
}

/// Changes a few bytes, or puts a number where a size or an offset may be, or cuts the input.
Bytes changed(Bytes input, std::mt19937_64& random) {
  constexpr std::uint64_t numbers[] = {
      0, 1, 15, 16, 17, 255, 1U << 16, 1U << 31, ~std::uint64_t{0}, ~std::uint64_t{15}, std::uint64_t{1} << 63};
  for (auto changes = 1 + random() % 3; changes > 0 && !input.empty(); --changes) {
    const std::size_t place = random() % input.size();
    switch (random() % 4) {
      case 0:
        input[place] = static_cast<std::byte>(random());
        break;
      case 1:
        input[place] ^= static_cast<std::byte>(1U << random() % 8);
        break;
      case 2: {
        const std::uint64_t number = numbers[random() % std::size(numbers)];
        const std::size_t aligned = place / 8 * 8;
        std::memcpy(input.data() + aligned, &number, std::min(sizeof number, input.size() - aligned));
        break;
      }
      default:
        if (random() % 4 == 0) input.resize(place);
    }
  }
  return input;
}

Bytes content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return copy_of(std::as_bytes(std::span(text)));
}

}  // namespace

int main(int argc, char** argv) {
#ifndef __SANITIZE_ADDRESS__  // which says more
  for (const int number : {SIGSEGV, SIGBUS, SIGABRT}) std::signal(number, say_which);
#endif
  const std::vector<Bytes> seeds = fuzz_seeds();
  if (argc == 3 && std::string(argv[1]) == "--write") {
    for (std::size_t seed = 0; seed < seeds.size(); ++seed) {
      std::ofstream(argv[2] + ("/seed-" + std::to_string(seed)), std::ios::binary)
          .write(reinterpret_cast<const char*>(seeds[seed].data()), static_cast<std::streamsize>(seeds[seed].size()));
    }
    return 0;
  }
  for (int file = 1; file < argc; ++file) run(content_of(argv[file]));
  if (argc > 1) return 0;
  std::mt19937_64 random(20261128);
  for (current_seed = 0; current_seed < seeds.size(); ++current_seed) {
    run(seeds[current_seed]);
    const int inputs = inputs_per_seed * static_cast<int>(rounds());
    for (current_input = 0; current_input < inputs; ++current_input) run(changed(seeds[current_seed], random));
  }
  return 0;
}
