#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// This file defines a journal file byte by byte. It is an HDF5 file with the datasets `records` and `data`, preceded
/// by a user block that holds their offsets and its own checksum. So a journal is read without the HDF5 library, which
/// may crash on a file that a dying disk or a careless copy has changed.
namespace joblib_mpi {

inline constexpr std::uint32_t journal_format_version = 1;
/// The size of the user block in bytes. HDF5 wants a power of two from 512 on.
inline constexpr std::size_t journal_user_block_bytes = 1024;

/// The offset in the user block of the MAC of a whole file, which covers header, records and the MACs of the records.
/// Those stand behind the HDF5 file, from `JournalHeader::file_size` on, in the order of the records, and each covers
/// its record and the record's bytes. A file that was written without a key has neither.
inline constexpr std::size_t journal_mac_offset = 512;

/// The place of a result in its program: the index of the task in its call, and the number of the call in the
/// checkpoint's scope.
struct JournalPlace {
  std::uint64_t call = 0;
  std::uint64_t index = 0;
  friend bool operator==(const JournalPlace&, const JournalPlace&) = default;
};

struct JournalPlaceHash {
  std::size_t operator()(const JournalPlace& place) const noexcept {
    return static_cast<std::size_t>(place.call * 0x9e3779b97f4a7c15 ^ place.index);
  }
};

/// The function and the arguments that computed a result, as hashes of their content.
struct JournalKey {
  std::uint64_t function = 0;
  std::uint64_t arguments = 0;
  friend bool operator==(const JournalKey&, const JournalKey&) = default;
};

/// One row of `records`; its members are the columns of the dataset.
struct JournalRecord {
  JournalPlace place;
  JournalKey key;
  std::uint64_t offset = 0;  ///< The offset of the result's bytes in `data`.
  std::uint64_t size = 0;
  std::uint64_t n_parts = 0;
  std::array<char, 64> function{};  ///< The function's name for people, cut to fit.
  std::uint64_t data_checksum = 0;
  std::uint64_t checksum = 0;  ///< The checksum of all members above.
};

/// The content of the user block.
struct JournalHeader {
  std::array<char, 32> magic{};
  std::uint64_t format_version = journal_format_version;
  std::uint64_t file_size = 0;
  std::uint64_t records_offset = 0;
  std::uint64_t n_records = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t data_size = 0;
  std::array<char, 256> identity{};
  std::uint64_t checksum = 0;  ///< The checksum of all members above.
};

[[nodiscard]] JournalHeader make_journal_header(std::string_view identity);
void seal(JournalHeader& header);
void seal(JournalRecord& record);
[[nodiscard]] bool is_intact(const JournalHeader& header);
[[nodiscard]] bool is_intact(const JournalRecord& record);
[[nodiscard]] bool has_magic(const JournalHeader& header);

/// Copies the text, cut to fit, and terminates it with a zero.
template <std::size_t size>
void put_text(std::array<char, size>& place, std::string_view text) {
  place.fill('\0');
  text.copy(place.data(), size - 1);
}
template <std::size_t size>
[[nodiscard]] std::string text_in(const std::array<char, size>& place) {
  const std::string_view all(place.data(), size);
  return std::string(all.substr(0, all.find('\0')));
}

/// The bytes of a record in `data`: the sizes of head and parts, 8 bytes each, followed by head and parts, each padded
/// with zeros to a multiple of 16 bytes. The pieces refer to `payload`, which must outlive them.
class JournalData {
 public:
  explicit JournalData(const Payload& payload);
  JournalData(const JournalData&) = delete;
  JournalData& operator=(const JournalData&) = delete;

  [[nodiscard]] const std::vector<ByteView>& pieces() const noexcept { return pieces_; }
  [[nodiscard]] std::uint64_t size() const noexcept;
  [[nodiscard]] std::uint64_t checksum() const;

 private:
  void add(ByteView piece);

  std::vector<std::uint64_t> sizes_;
  std::vector<ByteView> pieces_;
};

/// Returns the checksum of the bytes of a record, which is that of `JournalData`.
[[nodiscard]] std::uint64_t journal_data_checksum(ByteView data);

/// Takes the payload of a record out of its bytes. Returns false if the bytes are not those that were written.
[[nodiscard]] bool read_journal_data(const JournalRecord& record, Bytes data, Payload& payload);

}  // namespace joblib_mpi
