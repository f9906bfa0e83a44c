#include "checkpoint/mac_key.hpp"

#include "files/guarded_folder.hpp"
#include <joblib_mpi/error.hpp>

#include <pwd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <span>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace joblib_mpi {
namespace {

constexpr const char* key_variable = "JOBLIB_MPI_KEY";
constexpr const char* key_file_name = ".joblib_mpi_key";
constexpr std::size_t fewest_key_bytes = 16;
constexpr std::size_t most_key_bytes = 4096;

/// Returns 256 random bits in hexadecimal digits, and a line end.
std::string random_key() {
  std::array<unsigned char, 32> random{};
  if (getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw CheckpointError(std::string("the system gives no random numbers for a key: ") + strerror(errno));
  }
  std::string text;
  for (const unsigned char byte : random) {
    std::array<char, 3> digits{};
    std::snprintf(digits.data(), digits.size(), "%02x", byte);
    text += digits.data();
  }
  return text + "\n";
}

/// Makes the file with a random key, unless another process is faster. It gets its name when it is complete.
void make_key_file(const std::filesystem::path& path) {
  std::string unfinished = path.string() + ".XXXXXX";
  const int descriptor = mkstemp(unfinished.data());
  if (descriptor < 0) throw CheckpointError("\"" + path.string() + "\" cannot be made: " + strerror(errno));
  DurableFile file(unfinished, descriptor);
  const std::string key = random_key();
  file.write_at(0, std::as_bytes(std::span(key)));
  file.sync();
  const bool made = link(unfinished.c_str(), path.c_str()) == 0 || errno == EEXIST;
  const int error = errno;
  unlink(unfinished.c_str());
  if (!made) throw CheckpointError("\"" + path.string() + "\" cannot be made: " + strerror(error));
}

MacKey key_from(std::string_view text, const std::string& source) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (text.size() < fewest_key_bytes) {
    throw CheckpointError(source + " has " + std::to_string(text.size()) + " bytes, and a secret key has at least " +
                          std::to_string(fewest_key_bytes) + "; make one with \"openssl rand -hex 32\"");
  }
  return MacKey(std::as_bytes(std::span(text)));
}

MacKey key_in(const DurableFile& file) {
  const std::string name = "\"" + file.path().string() + "\"";
  struct stat status {};
  if (fstat(file.descriptor(), &status) != 0 || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    throw CheckpointError(name + " is a secret key, but other users may read it; make a new one with mode 0600");
  }
  const Bytes content = file.read_at(0, most_key_bytes);
  return key_from({reinterpret_cast<const char*>(content.data()), content.size()}, name);
}

}  // namespace

MacKey load_mac_key(const std::optional<std::string>& variable, const std::filesystem::path& home) {
  if (variable) return key_from(*variable, key_variable);
  const std::filesystem::path path = home / key_file_name;
  struct stat status {};
  try {
    if (lstat(path.c_str(), &status) != 0 && errno == ENOENT) make_key_file(path);
    return key_in(open_guarded(path, O_RDONLY, Guard::own));
  } catch (const FileError& error) {
    throw CheckpointError(std::string(error.what()) +
                          "; it is the key for checkpoints in shared folders. Mend it, or set " + key_variable);
  }
}

std::optional<MacKey> mac_key_for(const Settings& settings) {
  if (!settings.checkpoint_is_shared) return std::nullopt;
  const char* const variable = std::getenv(key_variable);
  const char* home = std::getenv("HOME");
  const passwd* const user = home == nullptr ? getpwuid(geteuid()) : nullptr;
  if (user != nullptr) home = user->pw_dir;
  return load_mac_key(variable == nullptr ? std::nullopt : std::optional<std::string>(variable),
                      home == nullptr ? "/" : home);
}

}  // namespace joblib_mpi
