#include "spill/result_file.hpp"

#include "files/guarded_folder.hpp"
#include "segments/mapped_files.hpp"
#include <joblib_mpi/error.hpp>

#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <sys/mman.h>
#include <system_error>
#include <utility>

namespace joblib_mpi {
namespace {

namespace fs = std::filesystem;

std::string free_bytes(const fs::path& folder) {
  std::error_code error;
  const auto space = fs::space(folder, error);
  return error ? "" : ", " + std::to_string(space.available) + " are free";
}

/// A file that has another name until it is complete; the destructor removes it if it never is.
class UnfinishedFile {
 public:
  explicit UnfinishedFile(const fs::path& path)
      : path_(path),
        folder_(path.parent_path(), Guard::own),
        name_(path.filename().string() + ".part"),
        file_(folder_.create(name_)) {}
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;
  ~UnfinishedFile() {
    if (!finished_) folder_.remove(name_);
  }

  [[nodiscard]] DurableFile& file() noexcept { return file_; }
  void finish() {
    file_.close();  // some file systems report only here that there is no space
    folder_.move(name_, path_);
    finished_ = true;
  }

 private:
  fs::path path_;
  GuardedFolder folder_;
  std::string name_;
  DurableFile file_;
  bool finished_ = false;
};

ResultHandle write_mappable(const fs::path& path, const ResultStructure& structure, const Payload& result) {
  UnfinishedFile unfinished(path);
  DurableFile& file = unfinished.file();
  file.reserve(structure.file_bytes);
  ResultHandle handle{.path = path.string(),
                      .file_bytes = structure.file_bytes,
                      .structure_bytes = structure.bytes.size(),
                      .structure_hash = content_hash(structure.bytes),
                      .head = {structure.head_offset, result.packed().size()}};
  file.write_at(0, structure.bytes);
  file.write_at(structure.head_offset, result.packed());
  for (std::size_t number = 0; number < result.parts.size(); ++number) {
    const ByteView part = result.parts[number].view();
    const std::uint64_t offset = structure.array_offsets.at(number);
    file.write_at(offset, part);
    handle.parts.push_back({offset, part.size()});
  }
  unfinished.finish();
  return handle;
}

ResultHandle write_compressed(const fs::path& path, const Bytes& content) {
  UnfinishedFile unfinished(path);
  unfinished.file().reserve(content.size());
  unfinished.file().write_at(0, content);
  unfinished.finish();
  return {.path = path.string(),
          .file_bytes = content.size(),
          .structure_bytes = content.size(),
          .structure_hash = content_hash(content),
          .compressed = true};
}

[[noreturn]] void refuse(const ResultHandle& handle, const std::string& why) {
  throw SpillError(
      "the result file \"" + handle.path + "\" " + why +
      ": another program has changed it, or the file system shows rank 0 something else than the rank that wrote "
      "it; set spill_dir to a folder that only this job uses");
}

/// A private mapping of a whole file: what is written to its memory goes to copies of the pages and never to the file.
/// It is read-only where the system does not promise memory for the copies.
class MappedFile {
 public:
  MappedFile(const DurableFile& file, std::size_t bytes)
      // Without a reservation, as most results are only read and would never use it.
      : bytes_(bytes), address_(map(file, PROT_READ | PROT_WRITE)) {
    if (address_ == MAP_FAILED && errno == ENOMEM) {  // RLIMIT_DATA, or vm.overcommit_memory=2
      address_ = map(file, PROT_READ);
      read_only_ = true;
    }
    if (address_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mapping a result file");
    MappedFiles::of_process().keep(view(), file.descriptor());
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    MappedFiles::of_process().forget(view());
    munmap(address_, bytes_);
  }

  [[nodiscard]] ByteView view() const noexcept { return {static_cast<const std::byte*>(address_), bytes_}; }
  [[nodiscard]] bool is_read_only() const noexcept { return read_only_; }

 private:
  [[nodiscard]] void* map(const DurableFile& file, int protection) const noexcept {
    return mmap(nullptr, bytes_, protection, MAP_PRIVATE | MAP_NORESERVE, file.descriptor(), 0);
  }

  std::size_t bytes_;
  void* address_;
  bool read_only_ = false;
};

void require_in_file(const ResultHandle& handle, const ResultHandle::Extent& extent) {
  if (extent.offset > handle.file_bytes || extent.bytes > handle.file_bytes - extent.offset) {
    refuse(handle, "is too short for its arrays");
  }
}

Payload map_parts(const ResultHandle& handle, const DurableFile& file) {
  std::shared_ptr<const MappedFile> mapping;
  const auto map = [&](const ResultHandle::Extent& extent) -> SharedBytes {
    require_in_file(handle, extent);
    if (extent.bytes == 0) return {};
    if (!mapping) mapping = std::make_shared<const MappedFile>(file, handle.file_bytes);
    return {mapping, mapping->view().subspan(extent.offset, extent.bytes)};
  };
  Payload result;
  result.set_packed(map(handle.head));
  for (const ResultHandle::Extent& part : handle.parts) result.parts.push_back(map(part));
  result.read_only = mapping && mapping->is_read_only();
  return result;
}

}  // namespace

ResultHandle write_result(const fs::path& path, const ResultFormat& format, const ResultContent& content,
                          const Payload& result, const std::string& compression) {
  std::uint64_t needed = result.size_bytes();
  try {
    if (!compression.empty()) {
      const Bytes file = format.compress(content, result, compression);
      needed = file.size();
      return write_compressed(path, file);
    }
    const ResultStructure structure = format.lay_out(content);
    needed = structure.file_bytes;
    return write_mappable(path, structure, result);
  } catch (const std::exception& error) {
    throw SpillError("a result could not be written to \"" + path.string() + "\": " + error.what() + "; " +
                     std::to_string(needed) + " bytes are needed" + free_bytes(path.parent_path()));
  }
}

Payload open_result(const ResultHandle& handle, const ResultFormat& format) {
  try {
    const DurableFile file = open_guarded(handle.path, O_RDONLY, Guard::own);
    if (const std::uint64_t size = file.size(); size != handle.file_bytes) {
      refuse(handle, "has " + std::to_string(size) + " bytes instead of " + std::to_string(handle.file_bytes));
    }
    require_in_file(handle, {0, handle.structure_bytes});
    const Bytes structure = file.read_at(0, handle.structure_bytes);
    if (content_hash(structure) != handle.structure_hash) refuse(handle, "has changed since it was written");
    Payload result = handle.compressed ? format.decompress(structure) : map_parts(handle, file);
    result.on_disk = true;
    return result;
  } catch (const SpillError&) {
    throw;
  } catch (const std::exception& error) {
    throw SpillError("the result file \"" + handle.path + "\" cannot be read: " + error.what());
  }
}

}  // namespace joblib_mpi
