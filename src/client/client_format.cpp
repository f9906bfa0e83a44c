#include "client/client_format.hpp"

#include "protocol/message_bytes.hpp"
#include "segments/payload_block.hpp"

#include <optional>
#include <span>
#include <string>
#include <utility>

namespace joblib_mpi {
namespace {

template <class Message>
constexpr std::uint8_t kind_to_rank0 = kind_of<MessageToRank0, Message>();
template <class Message>
constexpr std::uint8_t kind_to_client = kind_of<MessageToClient, Message>();

/// Appends the kind and the id of a message that is about one call or object and has nothing else.
template <class Variant, class Message, class Id>
void append_id(Frame& frame, const Message&, Id id) {
  BodyWriter(frame, 1 + sizeof id) << kind_of<Variant, Message>() << id;
}

std::size_t option_bytes(const std::optional<std::string>& text) {
  return 1 + (text ? list_bytes(*text) : 0);
}

template <class Number>
std::size_t option_bytes(const std::optional<Number>&) {
  return 1 + sizeof(Number);
}

void write_option(BodyWriter& writer, const std::optional<std::string>& text) {
  writer << text.has_value();
  if (text) write_list(writer, *text);
}

template <class Number>
void write_option(BodyWriter& writer, const std::optional<Number>& number) {
  writer << number.has_value() << number.value_or(Number{});
}

std::optional<std::string> read_text_option(PayloadReader& reader) {
  if (!reader.read<bool>()) return std::nullopt;
  return read_list<std::string>(reader);
}

template <class Number>
std::optional<Number> read_option(PayloadReader& reader) {
  const auto is_set = reader.read<bool>();
  const auto number = reader.read<Number>();
  return is_set ? std::optional(number) : std::nullopt;
}

CallOptions read_call_options(PayloadReader& reader) {
  CallOptions options;
  options.n_jobs = reader.read<int>();
  options.retries = reader.read<unsigned>();
  options.retry_exceptions = reader.read<bool>();
  options.task_timeout_seconds = reader.read<double>();
  options.memory_limit_bytes = reader.read<std::uint64_t>();
  options.spill.threshold_bytes = read_option<std::uint64_t>(reader);
  options.spill.memory_budget_bytes = read_option<std::uint64_t>(reader);
  options.spill.folder = read_text_option(reader);
  options.spill.keep = read_option<bool>(reader);
  options.spill.compression = read_text_option(reader);
  return options;
}

/// Reads a number that stands for one of the values up to `last`.
template <class Enum>
Enum read_enum(PayloadReader& reader, Enum last) {
  const auto value = reader.read<Enum>();
  if (value > last) throw SerializationError("a message from or to a client has an unknown value");
  return value;
}

[[noreturn]] void refuse_kind(std::uint8_t kind) {
  throw SerializationError("message of unknown kind " + std::to_string(kind) + " between rank 0 and a client");
}

}  // namespace

void append(Frame& frame, const to_rank0::StartCall& message) {
  const CallOptions& options = message.options;
  const SpillOptions& spill = options.spill;
  BodyWriter writer(frame, 1 + sizeof message.call + sizeof options.n_jobs + sizeof options.retries +
                               sizeof options.retry_exceptions + sizeof options.task_timeout_seconds +
                               sizeof options.memory_limit_bytes + option_bytes(spill.threshold_bytes) +
                               option_bytes(spill.memory_budget_bytes) + option_bytes(spill.folder) +
                               option_bytes(spill.keep) + option_bytes(spill.compression));
  writer << kind_to_rank0<to_rank0::StartCall> << message.call << options.n_jobs << options.retries
         << options.retry_exceptions << options.task_timeout_seconds << options.memory_limit_bytes;
  write_option(writer, spill.threshold_bytes);
  write_option(writer, spill.memory_budget_bytes);
  write_option(writer, spill.folder);
  write_option(writer, spill.keep);
  write_option(writer, spill.compression);
}

void append(Frame& frame, to_rank0::SubmitTask&& message) {
  TaskRequest& task = message.task;
  const WorkerId only_on = task.only_on.value_or(WorkerId{});  // rank 0 is no worker
  BodyWriter writer(frame, 1 + sizeof message.call + sizeof task.index + sizeof only_on + sizeof task.items +
                               list_bytes(task.name.view()) + list_bytes(task.objects) + payload_bytes(task.arguments));
  writer << kind_to_rank0<to_rank0::SubmitTask> << message.call << task.index << only_on << task.items;
  write_list(writer, task.name.view());
  write_list(writer, task.objects);
  write_payload(writer, frame, std::move(task.arguments));
}

void append(Frame& frame, const to_rank0::StopStarting& message) {
  append_id<MessageToRank0>(frame, message, message.call);
}

void append(Frame& frame, const to_rank0::EndCall& message) {
  append_id<MessageToRank0>(frame, message, message.call);
}

void append(Frame& frame, to_rank0::ShareObject&& message) {
  Payload& value = message.value;
  // The head is a part, so that it arrives where the parts do.
  if (!value.head.empty()) value.share_head();
  BodyWriter writer(frame, 1 + sizeof message.object + payload_bytes(message.value));
  writer << kind_to_rank0<to_rank0::ShareObject> << message.object;
  write_payload(writer, frame, std::move(message.value));
}

void append(Frame& frame, to_rank0::ShareBlock&& message) {
  BodyWriter writer(frame, 1 + sizeof message.object + list_bytes(message.part_bytes));
  writer << kind_to_rank0<to_rank0::ShareBlock> << message.object;
  write_list(writer, message.part_bytes);
  frame.parts.push_back(std::move(message.block));
}

void append(Frame& frame, const to_rank0::DropObject& message) {
  append_id<MessageToRank0>(frame, message, message.object);
}

void append(Frame& frame, const to_rank0::Ask& message) {
  BodyWriter(frame, 1 + sizeof message.question + sizeof message.fact + sizeof message.call)
      << kind_to_rank0<to_rank0::Ask> << message.question << message.fact << message.call;
}

void append(Frame& frame, const to_rank0::CompareFile& message) {
  const Bytes file = encode(message.file);
  BodyWriter writer(frame, 1 + sizeof message.question + list_bytes(file));
  writer << kind_to_rank0<to_rank0::CompareFile> << message.question;
  write_list(writer, file);
}

void append(Frame& frame, const to_rank0::Goodbye&) {
  append_kind<MessageToRank0, to_rank0::Goodbye>(frame);
}

void append(Frame& frame, const to_client::CallStarted& message) {
  BodyWriter writer(frame, 1 + sizeof message.call + sizeof message.refusal + list_bytes(message.reason));
  writer << kind_to_client<to_client::CallStarted> << message.call << message.refusal;
  write_list(writer, message.reason);
}

void append(Frame& frame, to_client::TaskFinished&& message) {
  FinishedTask& task = message.task;
  BodyWriter writer(frame, 1 + sizeof task.call + sizeof task.index + sizeof task.worker + sizeof task.ending +
                               sizeof task.items + sizeof task.attempts + list_bytes(task.name.view()) +
                               sizeof task.result.on_disk + payload_bytes(task.result));
  writer << kind_to_client<to_client::TaskFinished> << task.call << task.index << task.worker << task.ending
         << task.attempts << task.items;
  write_list(writer, task.name.view());
  writer << task.result.on_disk;
  write_payload(writer, frame, std::move(task.result));
}

void append(Frame& frame, const to_client::Answer& message) {
  BodyWriter writer(frame, 1 + sizeof message.question + list_bytes(message.numbers));
  writer << kind_to_client<to_client::Answer> << message.question;
  write_list(writer, message.numbers);
}

void append(Frame& frame, const to_client::FileRefusals& message) {
  std::size_t bytes = 1 + sizeof message.question + sizeof(Count);
  for (const FileRefusal& refusal : message.refusals) bytes += sizeof refusal.worker + list_bytes(refusal.reason);
  BodyWriter writer(frame, bytes);
  writer << kind_to_client<to_client::FileRefusals> << message.question << static_cast<Count>(message.refusals.size());
  for (const FileRefusal& refusal : message.refusals) {
    writer << refusal.worker;
    write_list(writer, refusal.reason);
  }
}

void append(Frame& frame, const to_client::SessionEnded& message) {
  BodyWriter writer(frame, 1 + list_bytes(message.reason));
  writer << kind_to_client<to_client::SessionEnded>;
  write_list(writer, message.reason);
}

MessageToRank0 ClientFrameReader::next_to_rank0() {
  const auto kind = reader_.read<std::uint8_t>();
  switch (kind) {
    case kind_to_rank0<to_rank0::StartCall>: {
      to_rank0::StartCall message{reader_.read<CallId>(), {}};
      message.options = read_call_options(reader_);
      return message;
    }
    case kind_to_rank0<to_rank0::SubmitTask>: {
      to_rank0::SubmitTask message{reader_.read<CallId>(), {}};
      message.task.index = reader_.read<std::uint64_t>();
      if (const auto worker = reader_.read<WorkerId>(); worker != WorkerId{}) message.task.only_on = worker;
      message.task.items = reader_.read<std::uint32_t>();
      if (message.task.items == 0) throw SerializationError("a client has sent a batch without items");
      message.task.name = read_list<std::string>(reader_);
      message.task.objects = read_list<std::vector<ObjectId>>(reader_);
      message.task.arguments = read_payload(reader_).payload;
      return message;
    }
    case kind_to_rank0<to_rank0::StopStarting>:
      return to_rank0::StopStarting{reader_.read<CallId>()};
    case kind_to_rank0<to_rank0::EndCall>:
      return to_rank0::EndCall{reader_.read<CallId>()};
    case kind_to_rank0<to_rank0::ShareObject>: {
      to_rank0::ShareObject message{reader_.read<ObjectId>(), {}};
      message.value = read_payload(reader_).payload;
      if (const SharedBytes head = message.value.long_head; head.size() > 0) message.value.set_packed(head);
      return message;
    }
    case kind_to_rank0<to_rank0::ShareBlock>: {
      to_rank0::ShareBlock message{reader_.read<ObjectId>(), {}, {}};
      message.part_bytes = read_list<PartBytes>(reader_);
      message.block = reader_.read_part();
      return message;
    }
    case kind_to_rank0<to_rank0::DropObject>:
      return to_rank0::DropObject{reader_.read<ObjectId>()};
    case kind_to_rank0<to_rank0::Ask>: {
      to_rank0::Ask message{reader_.read<std::uint64_t>(), read_enum(reader_, Fact::worker_returns)};
      message.call = reader_.read<CallId>();
      return message;
    }
    case kind_to_rank0<to_rank0::CompareFile>: {
      to_rank0::CompareFile message{reader_.read<std::uint64_t>(), {}};
      message.file = decode_file_identity(read_list<Bytes>(reader_));
      return message;
    }
    case kind_to_rank0<to_rank0::Goodbye>:
      return to_rank0::Goodbye{};
    default:
      refuse_kind(kind);
  }
}

MessageToClient ClientFrameReader::next_to_client() {
  const auto kind = reader_.read<std::uint8_t>();
  switch (kind) {
    case kind_to_client<to_client::CallStarted>: {
      to_client::CallStarted message{reader_.read<CallId>(), read_enum(reader_, CallRefusal::session)};
      message.reason = read_list<std::string>(reader_);
      return message;
    }
    case kind_to_client<to_client::TaskFinished>: {
      FinishedTask task{};
      task.call = reader_.read<CallId>();
      task.index = reader_.read<std::uint64_t>();
      task.worker = reader_.read<WorkerId>();
      task.ending = read_enum(reader_, TaskEnding::no_room);
      task.attempts = reader_.read<unsigned>();
      task.items = reader_.read<ItemRange>();
      task.name = read_list<std::string>(reader_);
      const auto on_disk = reader_.read<bool>();
      task.result = read_payload(reader_).payload;
      task.result.on_disk = on_disk;
      return to_client::TaskFinished{std::move(task)};
    }
    case kind_to_client<to_client::Answer>: {
      to_client::Answer message{reader_.read<std::uint64_t>(), {}};
      message.numbers = read_list<std::vector<std::uint64_t>>(reader_);
      return message;
    }
    case kind_to_client<to_client::FileRefusals>: {
      to_client::FileRefusals message{reader_.read<std::uint64_t>(), {}};
      for (auto left = reader_.read<Count>(); left > 0; --left) {
        FileRefusal refusal{reader_.read<WorkerId>(), {}};
        refusal.reason = read_list<std::string>(reader_);
        message.refusals.push_back(std::move(refusal));
      }
      return message;
    }
    case kind_to_client<to_client::SessionEnded>:
      return to_client::SessionEnded{read_list<std::string>(reader_)};
    default:
      refuse_kind(kind);
  }
}

}  // namespace joblib_mpi
