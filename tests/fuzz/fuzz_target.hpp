#pragma once

#include "support/bytes.hpp"
#include <joblib_mpi/detail/payload.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

/// Feeds bytes that may come from anybody to one decoder, and reads all that it yields. libFuzzer calls it, and
/// replay_main.cpp does without libFuzzer. A fault of the bytes must be an error that the target catches:
/// all other exceptions, crashes and sanitizers' reports are defects.
// NOLINTNEXTLINE(readability-identifier-naming): the name is that of libFuzzer
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace joblib_mpi::test {

/// Returns inputs that the decoder accepts, from which random ones are made.
[[nodiscard]] std::vector<Bytes> fuzz_seeds();

/// Ends the program as a defect does if the life of the object takes more than 10 s of a processor. The time that it
/// waits for one does not count.
class ProcessorTimeLimit {
 public:
  ProcessorTimeLimit() = default;
  ProcessorTimeLimit(const ProcessorTimeLimit&) = delete;
  ProcessorTimeLimit& operator=(const ProcessorTimeLimit&) = delete;
  ~ProcessorTimeLimit() {
    constexpr std::clock_t most_seconds = 10;
    if (std::clock() - begin_ <= most_seconds * CLOCKS_PER_SEC) return;
    std::fputs("the input takes more than 10 s of a processor\n", stderr);
    std::abort();
  }

 private:
  const std::clock_t begin_ = std::clock();
};

/// Reads every byte, so that a sanitizer sees those that are not there.
inline void touch(ByteView bytes) {
  std::byte sum{};
  for (const std::byte byte : bytes) sum ^= byte;
  volatile std::byte kept = sum;
  (void)kept;
}

inline void touch(const Payload& payload) {
  touch(payload.head);
  for (const SharedBytes& part : payload.parts) touch(part.view());
}

/// Returns a payload for seeds.
[[nodiscard]] inline Payload some_payload() {
  Payload payload;
  payload.head = bytes("a head");
  payload.parts.emplace_back(bytes("a part"));
  return payload;
}

}  // namespace joblib_mpi::test
