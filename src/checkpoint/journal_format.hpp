#pragma once

#include <joblib_mpi/detail/payload.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// What a journal file is, byte by byte. It is an HDF5 file with the datasets `records` and `data`, and with a user
/// block before them that says where these lie and is checked by a sum of its own. So a journal is read without the
/// HDF5 library, which may crash on a file that a dying disk or a careless copy has changed.
namespace joblib_mpi {

inline constexpr std::uint32_t journal_format_version = 1;
/// HDF5 wants a power of two from 512 on.
inline constexpr std::size_t journal_user_block_bytes = 1024;

/// The place of a result in its program: the task's number in its call, and the call's in the checkpoint's scope.
struct JournalPlace {
  std::uint64_t call = 0;
  std::uint64_t task = 0;
  friend bool operator==(const JournalPlace&, const JournalPlace&) = default;
};

/// What computed it, by content.
struct JournalKey {
  std::uint64_t function = 0;
  std::uint64_t arguments = 0;
  friend bool operator==(const JournalKey&, const JournalKey&) = default;
};

/// One row of `records`; its members are the dataset's columns.
struct JournalRecord {
  JournalPlace place;
  JournalKey key;
  std::uint64_t offset = 0;  ///< of its bytes in `data`
  std::uint64_t size = 0;
  std::uint64_t n_parts = 0;
  std::array<char, 64> function{};  ///< for people; cut if it is longer
  std::uint64_t data_checksum = 0;
  std::uint64_t checksum = 0;  ///< of all members before
};

/// The user block.
struct JournalHeader {
  std::array<char, 32> magic{};
  std::uint64_t format_version = journal_format_version;
  std::uint64_t file_size = 0;
  std::uint64_t records_offset = 0;
  std::uint64_t n_records = 0;
  std::uint64_t data_offset = 0;
  std::uint64_t data_size = 0;
  std::array<char, 256> identity{};
  std::uint64_t checksum = 0;  ///< of all members before
};

[[nodiscard]] JournalHeader make_journal_header(std::string_view identity);
void seal(JournalHeader& header);
void seal(JournalRecord& record);
[[nodiscard]] bool is_intact(const JournalHeader& header);
[[nodiscard]] bool is_intact(const JournalRecord& record);
[[nodiscard]] bool has_magic(const JournalHeader& header);

/// Cuts a text to fit, with a zero at its end.
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

/// A record's bytes in `data`: the sizes of head and parts, 8 bytes each, and then these, each filled up with zeros to
/// a multiple of 16 bytes. They refer to `payload`.
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

/// Takes a record's payload out of its bytes. False if they are not those that were written.
[[nodiscard]] bool read_journal_data(const JournalRecord& record, Bytes data, Payload& payload);

}  // namespace joblib_mpi
