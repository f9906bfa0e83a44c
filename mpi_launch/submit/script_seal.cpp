#include "submit/script_seal.hpp"

#include <cstdint>
#include <sstream>

namespace joblib_mpi::launch {
namespace {

constexpr const char* seal_begin = "# Written by \"joblib-mpi submit\", which overwrites it only if it is unchanged: ";

/// Returns the FNV-1a hash of `text`, which is equal on every machine.
std::string digest(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  std::ostringstream hex;
  hex << std::hex << hash;
  return hex.str();
}

}  // namespace

std::string sealed(const std::string& script) {
  const auto second_line = script.find('\n') + 1;
  return script.substr(0, second_line) + seal_begin + digest(script) + "\n" + script.substr(second_line);
}

bool has_intact_seal(const std::string& script) {
  const auto second_line = script.find('\n') + 1;
  const auto third_line = script.find('\n', second_line) + 1;
  return sealed(script.substr(0, second_line) + script.substr(third_line)) == script;
}

}  // namespace joblib_mpi::launch
