#include "checkpoint/journal_format.hpp"

#include <xxhash.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace joblib_mpi {
namespace {

/// Parts hold arrays, whose elements must be aligned in memory.
constexpr std::size_t piece_alignment = 16;

constexpr std::size_t padded(std::size_t size) {
  return (size + piece_alignment - 1) / piece_alignment * piece_alignment;
}

constexpr std::string_view magic = "joblib_mpi journal\r\n\x1a";

/// Takes a piece of `size` bytes and its padding off the front of `bytes`; returns nothing if there are fewer.
std::optional<ByteView> take_piece(ByteView& bytes, std::uint64_t size) {
  if (size > bytes.size() || padded(size) > bytes.size()) return std::nullopt;
  const ByteView piece = bytes.first(size);
  bytes = bytes.subspan(padded(size));
  return piece;
}

template <class T>
constexpr bool has_no_gaps = std::is_trivially_copyable_v<T> && std::has_unique_object_representations_v<T>;
static_assert(has_no_gaps<JournalRecord> && sizeof(JournalRecord) == 136);
static_assert(has_no_gaps<JournalHeader> && sizeof(JournalHeader) <= journal_user_block_bytes);

template <class T>
std::uint64_t sum_of(const T& value) {
  return XXH3_64bits(&value, offsetof(T, checksum));
}

std::uint64_t sum_of_pieces(std::span<const ByteView> pieces) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_64bits_reset(state.get());
  for (const ByteView piece : pieces) XXH3_64bits_update(state.get(), piece.data(), piece.size());
  return XXH3_64bits_digest(state.get());
}

}  // namespace

JournalHeader make_journal_header(std::string_view identity) {
  JournalHeader header;
  put_text(header.magic, magic);
  put_text(header.identity, identity);
  return header;
}

void seal(JournalHeader& header) {
  header.checksum = sum_of(header);
}

void seal(JournalRecord& record) {
  record.checksum = sum_of(record);
}

bool is_intact(const JournalHeader& header) {
  return header.checksum == sum_of(header);
}

bool is_intact(const JournalRecord& record) {
  return record.checksum == sum_of(record);
}

bool has_magic(const JournalHeader& header) {
  return text_in(header.magic) == magic;
}

JournalData::JournalData(const Payload& payload) {
  sizes_.push_back(payload.packed().size());
  for (const SharedBytes& part : payload.parts) sizes_.push_back(part.size());
  add(std::as_bytes(std::span(sizes_)));
  add(payload.packed());
  for (const SharedBytes& part : payload.parts) add(part.view());
}

void JournalData::add(ByteView piece) {
  static constexpr std::array<std::byte, piece_alignment> zeros{};
  pieces_.push_back(piece);
  if (const std::size_t padding = padded(piece.size()) - piece.size(); padding > 0) {
    pieces_.push_back(std::span(zeros).first(padding));
  }
}

std::uint64_t JournalData::size() const noexcept {
  std::uint64_t total = 0;
  for (const ByteView piece : pieces_) total += piece.size();
  return total;
}

std::uint64_t JournalData::checksum() const {
  return sum_of_pieces(pieces_);
}

std::uint64_t journal_data_checksum(ByteView data) {
  return sum_of_pieces(std::span(&data, 1));
}

bool read_journal_data(const JournalRecord& record, Bytes data, Payload& payload) {
  if (data.size() != record.size || journal_data_checksum(data) != record.data_checksum) return false;
  // The checksum matches, but it is no proof of the writer: the sizes may be any numbers.
  if (record.n_parts >= data.size() / sizeof(std::uint64_t)) return false;
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(record.n_parts) + 1);
  std::memcpy(sizes.data(), data.data(), sizes.size() * sizeof sizes[0]);
  const SharedBytes all(std::move(data));
  ByteView rest = all.view();
  if (!take_piece(rest, sizes.size() * sizeof sizes[0])) return false;
  const auto head = take_piece(rest, sizes[0]);
  if (!head) return false;
  payload.set_packed({all.owner(), *head});
  payload.parts.clear();
  for (const std::uint64_t size : std::span(sizes).subspan(1)) {
    const auto part = take_piece(rest, size);
    if (!part) return false;
    payload.parts.emplace_back(all.owner(), *part);
  }
  return rest.empty();
}

}  // namespace joblib_mpi
