#include "client/greeting.hpp"

#include "core/fixed_text.hpp"
#include "core/text_fields.hpp"
#include "core/version.hpp"
#include <joblib_mpi/error.hpp>

#include <cstring>
#include <string_view>
#include <utility>

namespace joblib_mpi {
namespace {

/// The beginning of all greetings. This structure never changes.
struct GreetingBeginning {
  std::array<char, 16> name;     // "joblib-mpi"
  std::array<char, 40> version;  // of joblib-mpi, as text
  std::uint64_t bytes;           // of what follows
};

constexpr std::string_view name_of_all = "joblib-mpi";
constexpr std::uint64_t most_greeting_bytes = std::uint64_t{1} << 26;  // the names of a million hosts

Bytes behind_beginning(const Payload& fields) {
  GreetingBeginning beginning{};
  set_text(beginning.name, name_of_all);
  set_text(beginning.version, version);
  beginning.bytes = fields.head.size();
  Bytes bytes(sizeof beginning + fields.head.size());
  std::memcpy(bytes.data(), &beginning, sizeof beginning);
  std::memcpy(bytes.data() + sizeof beginning, fields.head.data(), fields.head.size());
  return bytes;
}

PayloadReader greeting_fields(const Bytes& bytes) {
  return {ByteView(bytes).subspan(sizeof(GreetingBeginning)), {}};
}

}  // namespace

Bytes encode(const ClientGreeting& greeting) {
  Payload fields;
  PayloadWriter writer(fields);
  write_text(writer, greeting.identity);
  writer.write(greeting.session);
  writer.write(greeting.received);
  writer.write(greeting.resume_seconds);
  writer.write(greeting.can_borrow);
  return behind_beginning(fields);
}

Bytes encode(const ServerGreeting& greeting) {
  Payload fields;
  PayloadWriter writer(fields);
  write_text(writer, greeting.refusal);
  writer.write(greeting.received);
  writer.write(static_cast<std::uint64_t>(greeting.hosts.size()));
  for (const std::string& host : greeting.hosts) write_text(writer, host);
  writer.write(greeting.client);
  write_text(writer, greeting.description);
  writer.write(greeting.lends);
  return behind_beginning(fields);
}

void GreetingReceiver::filled(std::size_t bytes) {
  static_assert(sizeof(GreetingBeginning) == first_bytes);
  filled_ += bytes;
  if (filled_ != first_bytes) return;
  GreetingBeginning beginning;
  std::memcpy(&beginning, bytes_.data(), sizeof beginning);
  if (text_of(beginning.name) != name_of_all) {
    throw SerializationError("what is at the other end of a client's connection is not joblib-mpi");
  }
  if (text_of(beginning.version) != version) {
    throw VersionMismatch("this is joblib-mpi " + std::string(version) + ", and at the other end is joblib-mpi " +
                          text_of(beginning.version) + ": install one version on both sides");
  }
  if (beginning.bytes > most_greeting_bytes) throw SerializationError("a client's greeting is too long");
  bytes_.resize(first_bytes + beginning.bytes);
}

ClientGreeting GreetingReceiver::of_client() const {
  PayloadReader reader = greeting_fields(bytes_);
  ClientGreeting greeting;
  greeting.identity = read_text(reader);
  greeting.session = reader.read<SessionKey>();
  greeting.received = reader.read<std::uint64_t>();
  greeting.resume_seconds = reader.read<double>();
  greeting.can_borrow = reader.read<bool>();
  return greeting;
}

ServerGreeting GreetingReceiver::of_server() const {
  PayloadReader reader = greeting_fields(bytes_);
  ServerGreeting greeting;
  greeting.refusal = read_text(reader);
  greeting.received = reader.read<std::uint64_t>();
  for (auto left = reader.read<std::uint64_t>(); left > 0; --left) greeting.hosts.push_back(read_text(reader));
  greeting.client = reader.read<std::uint64_t>();
  greeting.description = read_text(reader);
  greeting.lends = reader.read<bool>();
  return greeting;
}

}  // namespace joblib_mpi
