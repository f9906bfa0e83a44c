#include "executor/message_channel.hpp"

#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

namespace joblib_mpi {
namespace {

/// Larger messages go through a segment, so that several always fit into the ring. Chosen, not measured.
constexpr std::size_t most_ring_bytes = Ring::max_message_bytes / 2;

constexpr std::chrono::microseconds pause_while_full{50};  // chosen, not measured

/// Appends to memory that is large enough.
class SpanWriter {
 public:
  explicit SpanWriter(std::span<std::byte> place) : place_(place) {}

  void write(std::span<const std::byte> bytes) {
    if (!bytes.empty()) std::memcpy(place_.data(), bytes.data(), bytes.size());
    place_ = place_.subspan(bytes.size());
  }

 private:
  std::span<std::byte> place_;
};

[[noreturn]] void throw_closed() {
  throw SerializationError(
      "a task has closed a file that it has not opened (with os.closerange, for instance): the executor's socket");
}

[[noreturn]] void throw_missing_descriptor(bool was_lost) {
  if (was_lost) throw std::system_error(no_more_files());
  throw_closed();
}

}  // namespace

/// Starts every message, which consists of this header, `numbers` numbers, `parts` references and `head_bytes` bytes.
struct MessageChannel::Header {
  Kind kind;
  TaskEnding ending = TaskEnding::returned;
  Access access = Access::read_only;
  TaskId task = {};
  std::uint64_t number = 0;  // the number of the task, the object or the segment
  std::uint64_t segment_bytes = 0;
  double seconds = 0;
  CallId call = {};
  std::uint64_t index = 0;
  TaskLimits limits = {};
  std::uint64_t numbers = 0;
  std::uint64_t parts = 0;       // with the long head, if there is one
  std::uint64_t head_bytes = 0;  // of a head that is not long
  std::uint64_t long_heads = 0;  // 1 if the last part is a long head, otherwise 0
};

MessageChannel::MessageChannel(SegmentPool& pool, Ends ends, Descriptor socket, WhenFull when_full)
    : ends_(ends), socket_(std::move(socket)), when_full_(when_full), pool_(&pool), exchange_(pool) {}

void MessageChannel::send_task(std::uint64_t number, const ExecutorTask& task) {
  send_returned();
  std::vector<std::uint64_t> objects;
  objects.reserve(task.objects.size());
  for (const ObjectInput& input : task.objects) objects.push_back(input.object.value);
  send({.kind = Kind::run_task,
        .task = task.task,
        .number = number,
        .call = task.place.call,
        .index = task.place.index,
        .limits = task.limits},
       objects, task.arguments, Access::writable);
  ends_.other.notify();
}

void MessageChannel::send_spill_place(const SpillPlace& place) {
  send_parts({.kind = Kind::spill_into}, {}, {}, encode(place));
}

void MessageChannel::send_object(ObjectId object, const Payload& value) {
  send({.kind = Kind::share_object, .number = object.value}, {}, value, Access::read_only);
}

void MessageChannel::send_forget(ObjectId object) {
  send_parts({.kind = Kind::forget_object, .number = object.value}, {}, {}, {});
  ends_.other.notify();
}

void MessageChannel::send_close() {
  send_parts({.kind = Kind::close}, {}, {}, {});
  ends_.other.notify();
}

void MessageChannel::send_done(const ExecutedTask& task) {
  send_returned();
  send({.kind = Kind::task_done, .ending = task.ending, .task = task.task, .seconds = task.seconds}, {}, task.result,
       Access::read_only);
  ends_.other.notify();
}

void MessageChannel::send_spill_folder_wanted() {
  send_parts({.kind = Kind::spill_folder_wanted}, {}, {}, {});
  ends_.other.notify();
}

void MessageChannel::send_returned() {
  if (const auto loans = exchange_.take_returned(); !loans.empty()) {
    constexpr std::size_t most = most_ring_bytes / 2 / sizeof(std::uint64_t);
    for (std::span<const std::uint64_t> rest(loans); !rest.empty();) {
      const auto some = rest.first(std::min(most, rest.size()));
      send_parts({.kind = Kind::end_loans}, some, {}, {});
      rest = rest.subspan(some.size());
    }
  }
}

void MessageChannel::send(Header header, std::span<const std::uint64_t> numbers, const Payload& payload,
                          Access access) {
  for (const std::uint64_t segment : exchange_.take_dropped()) {
    send_parts({.kind = Kind::unmap, .number = segment}, {}, {}, {});
  }
  std::vector<PartReference> parts;
  std::vector<SegmentExchange::Handover> handovers;
  parts.reserve(payload.parts.size() + 1);
  try {
    for (const SharedBytes& part : payload.parts) parts.push_back(exchange_.lend(part, access, handovers));
    if (payload.long_head.size() > 0) {
      parts.push_back(exchange_.lend(payload.long_head, access, handovers));
      header.long_heads = 1;
    }
  } catch (...) {  // no room: later messages may refer to the segments, and nothing refers to the loans
    for (const PartReference& part : parts) exchange_.end_loan(part.loan);
    hand_over(handovers);
    throw;
  }
  hand_over(handovers);
  send_parts(header, numbers, parts, payload.head);
}

void MessageChannel::hand_over(const std::vector<SegmentExchange::Handover>& handovers) {
  for (const auto& [segment, access] : handovers) {
    send_parts(
        {.kind = Kind::hand_over, .access = access, .number = segment->id(), .segment_bytes = segment->bytes().size()},
        {}, {}, {}, segment);
  }
}

void MessageChannel::send_parts(Header header, std::span<const std::uint64_t> numbers,
                                std::span<const PartReference> parts, ByteView head,
                                std::shared_ptr<const Segment> segment) {
  header.numbers = numbers.size();
  header.parts = parts.size();
  header.head_bytes = head.size();
  const std::size_t size = sizeof header + numbers.size_bytes() + parts.size_bytes() + head.size();
  const auto encode = [&](std::span<std::byte> place) {
    SpanWriter writer(place);
    writer.write(std::as_bytes(std::span(&header, 1)));
    writer.write(std::as_bytes(numbers));
    writer.write(std::as_bytes(parts));
    writer.write(head);
  };
  if (size > most_ring_bytes) {
    const ReceiveMemory::Block block = pool_->allocate_to_share(size);
    encode(block.bytes);
    std::vector<SegmentExchange::Handover> handovers;
    const PartReference whole = exchange_.lend({block.owner, block.bytes}, Access::read_only, handovers);
    hand_over(handovers);
    send_parts({.kind = Kind::indirect}, {}, {&whole, 1}, {});
    return;
  }
  flush();
  const bool may_go = waiting_.empty() && (!segment || send_descriptor(std::as_bytes(std::span(&header, 1)), *segment));
  if (may_go) segment.reset();
  const std::span<std::byte> room = may_go ? room_for(size) : std::span<std::byte>{};
  if (!room.empty()) {
    encode(room);
    ends_.out.publish();
    return;
  }
  Waiting& last = waiting_.emplace_back(Bytes(size), std::move(segment));
  encode(last.message);
}

bool MessageChannel::send_descriptor(ByteView header, const Segment& segment) {
  const Sending sending = send_message(socket_, header, segment.descriptor(), when_full_ == WhenFull::wait);
  if (sending == Sending::in_vain) {
    socket_is_closed_ = true;
    if (when_full_ == WhenFull::wait) throw_closed();
  }
  return sending == Sending::done;
}

std::span<std::byte> MessageChannel::room_for(std::size_t bytes) {
  while (true) {
    const std::span<std::byte> room = ends_.out.reserve(bytes);
    if (!room.empty()) return room;
    ends_.other.notify();  // its reading makes room
    if (when_full_ == WhenFull::keep) return {};
    std::this_thread::sleep_for(pause_while_full);
  }
}

void MessageChannel::flush() {
  for (; !waiting_.empty(); waiting_.pop_front()) {
    ends_.other.notify();
    Waiting& next = waiting_.front();
    if (next.segment && !send_descriptor(ByteView(next.message).first(sizeof(Header)), *next.segment)) return;
    next.segment.reset();
    const std::span<std::byte> room = room_for(next.message.size());
    if (room.empty()) return;
    std::memcpy(room.data(), next.message.data(), next.message.size());
    ends_.out.publish();
  }
}

std::optional<ExecutorMessage> MessageChannel::receive() {
  if (socket_is_closed_) throw_closed();
  while (true) {
    const ByteView message = ends_.in.front();
    if (message.data() == nullptr) return std::nullopt;
    PayloadReader reader(message, {});
    const auto header = reader.read<Header>();
    if (settle(header, reader)) {
      ends_.in.pop();
      continue;
    }
    std::optional<ExecutorMessage> decoded;
    if (header.kind == Kind::indirect) {
      const SharedBytes whole = exchange_.borrow(reader.read<PartReference>());
      decoded = decode(whole.view());
    } else {
      decoded = decode(message);
    }
    ends_.in.pop();
    return decoded;
  }
}

bool MessageChannel::settle(const Header& header, PayloadReader& reader) {
  switch (header.kind) {
    case Kind::hand_over: {
      Header same{};
      auto arrived =
          receive_message(socket_, std::as_writable_bytes(std::span(&same, 1)), when_full_ == WhenFull::wait);
      if (!arrived || !arrived->descriptor.open() || same.number != header.number) {
        throw_missing_descriptor(arrived && arrived->lost_descriptor);
      }
      exchange_.map(header.number, header.segment_bytes, header.access, std::move(arrived->descriptor));
      return true;
    }
    case Kind::unmap:
      exchange_.unmap(header.number);
      return true;
    case Kind::end_loans:
      for (std::uint64_t index = 0; index < header.numbers; ++index) exchange_.end_loan(reader.read<std::uint64_t>());
      return true;
    default:
      return false;
  }
}

ExecutorMessage MessageChannel::decode(ByteView message) {
  PayloadReader reader(message, {});
  const auto header = reader.read<Header>();
  std::vector<ObjectId> objects;
  for (std::uint64_t index = 0; index < header.numbers; ++index) objects.push_back({reader.read<std::uint64_t>()});
  Payload payload;
  for (std::uint64_t index = 0; index < header.parts; ++index) {
    payload.parts.push_back(exchange_.borrow(reader.read<PartReference>()));
  }
  if (header.long_heads > 0 && !payload.parts.empty()) {
    payload.long_head = std::move(payload.parts.back());
    payload.parts.pop_back();
  }
  payload.head = reader.read_bytes(header.head_bytes);
  switch (header.kind) {
    case Kind::run_task:
      return executor_message::RunTask{header.number, header.task, std::move(objects), std::move(payload),
                                       header.limits, header.call, header.index};
    case Kind::spill_into:
      return executor_message::SpillInto{std::make_shared<const SpillPlace>(decode_spill_place(payload.head))};
    case Kind::share_object:
      return executor_message::ShareObject{{header.number}, std::make_shared<const Payload>(std::move(payload))};
    case Kind::forget_object:
      return executor_message::ForgetObject{{header.number}};
    case Kind::close:
      return executor_message::Close{};
    case Kind::task_done:
      if (!is_task_ending(header.ending)) throw SerializationError("a task ended in an unknown way");
      return executor_message::TaskDone{{header.task, header.ending, header.seconds, std::move(payload)}};
    case Kind::spill_folder_wanted:
      return executor_message::SpillFolderWanted{};
    default:
      throw SerializationError("a message between a rank and its executor has an unknown kind");
  }
}

}  // namespace joblib_mpi
