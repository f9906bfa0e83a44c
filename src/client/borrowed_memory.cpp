#include "client/borrowed_memory.hpp"

#include "core/open_files.hpp"
#include "segments/segment.hpp"
#include <joblib_mpi/error.hpp>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace joblib_mpi {
namespace {

void require_bytes(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes) {
  struct stat status {};
  const bool is_known = fstat(file.get(), &status) == 0;
  const auto size = is_known ? static_cast<std::uint64_t>(status.st_size) : 0;
  if (offset > size || bytes > size - offset) {
    throw SerializationError("the other end of a client's connection lent more memory than its file has");
  }
}

Bytes read_from(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes) {
  Bytes content(bytes);
  for (std::size_t done = 0; done < content.size();) {
    const ssize_t some =
        pread(file.get(), content.data() + done, content.size() - done, static_cast<off_t>(offset + done));
    if (some < 0 && errno == EINTR) continue;
    if (some <= 0) throw SerializationError("memory that the other end of a client's connection lent cannot be read");
    done += static_cast<std::size_t>(some);
  }
  return content;
}

}  // namespace

struct BorrowedMemory::Books {
  explicit Books(std::function<void()> call) : on_return(std::move(call)) {}

  void end(std::uint64_t loan) {
    const std::lock_guard lock(mutex);
    loans.push_back(loan);
    if (!any.exchange(true) && on_return) on_return();
  }

  std::mutex mutex;
  std::function<void()> on_return;
  std::vector<std::uint64_t> loans;
  std::atomic<bool> any{false};
};

BorrowedMemory::BorrowedMemory(std::function<void()> on_return, SegmentPool* adopting)
    : adopting_(adopting), books_(std::make_shared<Books>(std::move(on_return))) {}

BorrowedMemory::~BorrowedMemory() {
  const std::lock_guard lock(books_->mutex);
  books_->on_return = {};
}

SharedBytes BorrowedMemory::adopted(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes) const {
  if (adopting_ == nullptr || bytes < least_adopted_bytes || !is_of_lasting_size(file)) return {};
  if (adopting_->adopted_stats().segments >= open_file_limit() / 4) return {};
  Descriptor kept = another_descriptor(file.get());
  if (!kept.open()) return {};
  const std::shared_ptr<const Segment> segment = adopting_->adopt(std::move(kept), offset + bytes);
  return {segment, segment->bytes().subspan(offset, bytes)};
}

SharedBytes BorrowedMemory::map(const Descriptor& file, std::uint64_t offset, std::uint64_t bytes) {
  require_bytes(file, offset, bytes);
  const std::uint64_t loan = ++last_;
  try {
    SharedBytes mapped = adopted(file, offset, bytes);
    if (!mapped.owner()) mapped = copy_on_write(file, offset, bytes);
    const ByteView view = mapped.view();
    // The mapping ends before the loan, whose memory may be used again then.
    auto let_go = [mapping = mapped.owner(), books = books_, loan](const void*) mutable {
      mapping.reset();
      books->end(loan);
    };
    mapped = {};
    return {std::shared_ptr<const void>(view.data(), std::move(let_go)), view};
  } catch (const std::system_error&) {  // as many mappings, or as much address space, as the process may have
    SharedBytes copy(read_from(file, offset, bytes));
    books_->end(loan);
    return copy;
  }
}

std::vector<std::uint64_t> BorrowedMemory::take_returned() {
  if (!books_->any.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(books_->mutex);
  books_->any = false;
  return std::exchange(books_->loans, {});
}

}  // namespace joblib_mpi
