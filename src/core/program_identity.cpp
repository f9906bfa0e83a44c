#include "core/program_identity.hpp"

#include "core/version.hpp"

#include <elf.h>
#include <link.h>
#include <xxhash.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

namespace joblib_mpi {
namespace {

std::string hexadecimal(const unsigned char* bytes, std::size_t size) {
  std::string text;
  for (std::size_t index = 0; index < size; ++index) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", bytes[index]);
    text += digits.data();
  }
  return text;
}

constexpr std::size_t round_up_to_4(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

/// Returns the build id in a segment of ELF notes, or an empty string.
std::string build_id_in(const unsigned char* notes, std::size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes, sizeof note);
    const std::size_t description = sizeof note + round_up_to_4(note.n_namesz);
    const std::size_t end = description + round_up_to_4(note.n_descsz);
    if (end > size) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(notes + sizeof note, "GNU", 4) == 0) {
      return hexadecimal(notes + description, note.n_descsz);
    }
    notes += end;
    size -= end;
  }
  return {};
}

std::string build_id() {
  std::string result;
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* place) {
        for (int index = 0; index < object->dlpi_phnum; ++index) {
          const ElfW(Phdr)& segment = object->dlpi_phdr[index];
          if (segment.p_type != PT_NOTE) continue;
          const auto address = object->dlpi_addr + segment.p_vaddr;
          auto& found = *static_cast<std::string*>(place);
          found = build_id_in(reinterpret_cast<const unsigned char*>(address), segment.p_memsz);
          if (!found.empty()) break;
        }
        return 1;  // the first object is the program itself
      },
      &result);
  return result;
}

std::string hash_of_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(std::size_t{1} << 20);
  std::uint64_t hash = 0;
  while (file) {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    hash = XXH3_64bits_withSeed(piece.data(), static_cast<std::size_t>(file.gcount()), hash);
  }
  return hexadecimal(reinterpret_cast<const unsigned char*>(&hash), sizeof hash);
}

}  // namespace

std::string program_identity() {
  const std::filesystem::path self = "/proc/self/exe";
  std::string build = build_id();
  if (build.empty()) build = hash_of_file(self);
  std::error_code ignored;
  return std::string("joblib_mpi ") + version + ", " +
         std::filesystem::read_symlink(self, ignored).filename().string() + " (build " + build + ")";
}

}  // namespace joblib_mpi
