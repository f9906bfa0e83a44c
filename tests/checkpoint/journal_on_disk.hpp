#pragma once

#include "checkpoint/hdf5_journal_layout.hpp"
#include "checkpoint/journal.hpp"
#include "support/bytes.hpp"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace joblib_mpi::test {

inline Journal::Options journal_options(const std::filesystem::path& path) {
  return {.path = path, .identity = "a test", .layout = lay_out_hdf5_journal, .flush_after = std::chrono::hours(1)};
}

/// Returns a result that depends on its number: a head, and a part if the number is odd.
inline Payload result_of(std::uint64_t number) {
  Payload result;
  result.head = bytes("result " + std::to_string(number));
  if (number % 2 == 1) result.parts.emplace_back(bytes(std::string(100 + number, static_cast<char>(number))));
  return result;
}

inline bool same(const Payload& a, const Payload& b) {
  if (text(a.head) != text(b.head) || a.parts.size() != b.parts.size()) return false;
  for (std::size_t part = 0; part < a.parts.size(); ++part) {
    if (text(a.parts[part].view()) != text(b.parts[part].view())) return false;
  }
  return true;
}

inline JournalKey key_of(std::uint64_t number) {
  return {.function = 7, .arguments = 1000 + number};
}

inline void append(Journal& journal, std::uint64_t number) {
  journal.append({0, number}, key_of(number), "compute", result_of(number));
}

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void write_all(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

}  // namespace joblib_mpi::test
