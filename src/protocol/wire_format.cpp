#include "protocol/wire_format.hpp"

#include "protocol/message_bytes.hpp"

#include <span>
#include <string>
#include <utility>

namespace joblib_mpi {
namespace {

[[noreturn]] void refuse(std::uint8_t kind) {
  throw SerializationError("message of unknown kind " + std::to_string(kind) +
                           ": the ranks run different versions of joblib_mpi; install one version on all nodes");
}

}  // namespace

void append(Frame& frame, const to_worker::RunTask& message) {
  BodyWriter writer(frame, 1 + sizeof message.task + sizeof message.call + sizeof message.limits +
                               sizeof message.index + sizeof message.items + list_bytes(message.objects) +
                               payload_bytes(message.arguments));
  writer << kind_of<MessageToWorker, to_worker::RunTask>() << message.task << message.call << message.limits
         << message.index << message.items;
  write_list(writer, message.objects);
  write_payload(writer, frame, message.arguments);
}

void append(Frame& frame, const to_worker::CancelCall& message) {
  append_plain<MessageToWorker>(frame, message);
}

void append(Frame& frame, const to_worker::ShareObject& message) {
  BodyWriter writer(frame, 1 + sizeof message.object + list_bytes(message.part_bytes));
  writer << kind_of<MessageToWorker, to_worker::ShareObject>() << message.object;
  write_list(writer, message.part_bytes);
}

void append(Frame& frame, const to_worker::BroadcastsEnded&) {
  append_kind<MessageToWorker, to_worker::BroadcastsEnded>(frame);
}

void append(Frame& frame, const to_worker::ObjectContent& message) {
  BodyWriter writer(frame, 1 + sizeof message.object + payload_bytes(message.value));
  writer << kind_of<MessageToWorker, to_worker::ObjectContent>() << message.object;
  write_payload(writer, frame, message.value);
}

void append(Frame& frame, const to_worker::DropObject& message) {
  append_plain<MessageToWorker>(frame, message);
}

void append(Frame& frame, const to_worker::Ping& message) {
  append_plain<MessageToWorker>(frame, message);
}

void append(Frame& frame, const to_worker::Stop& message) {
  BodyWriter writer(frame, 1 + sizeof message.status + list_bytes(message.failure) + sizeof message.ranks_lost);
  writer << kind_of<MessageToWorker, to_worker::Stop>() << message.status;
  write_list(writer, message.failure);
  writer << message.ranks_lost;
}

void append(Frame& frame, const to_worker::SpillInto& message) {
  const Bytes place = encode(message.place);
  BodyWriter writer(frame, 1 + list_bytes(place));
  writer << kind_of<MessageToWorker, to_worker::SpillInto>();
  write_list(writer, place);
}

void append(Frame& frame, const to_worker::SpillFolderMade& message) {
  const Bytes place = encode(message.place);
  BodyWriter writer(frame, 1 + sizeof message.call + list_bytes(place));
  writer << kind_of<MessageToWorker, to_worker::SpillFolderMade>() << message.call;
  write_list(writer, place);
}

void append(Frame& frame, const to_worker::Begin&) {
  append_kind<MessageToWorker, to_worker::Begin>(frame);
}

void append(Frame& frame, const to_worker::Rejoin& message) {
  append_plain<MessageToWorker>(frame, message);
}

void append(Frame& frame, const to_worker::CompareFile& message) {
  const Bytes file = encode(message.file);
  BodyWriter writer(frame, 1 + sizeof message.question + list_bytes(file));
  writer << kind_of<MessageToWorker, to_worker::CompareFile>() << message.question;
  write_list(writer, file);
}

void append(Frame& frame, const to_worker::TakeBack& message) {
  BodyWriter writer(frame, 1 + sizeof message.call + sizeof message.most + sizeof message.seekers.workers +
                               sizeof message.seekers.share);
  writer << kind_of<MessageToWorker, to_worker::TakeBack>() << message.call << message.most << message.seekers.workers
         << message.seekers.share;
}

void append(Frame& frame, const to_coordinator::Hello& message) {
  BodyWriter writer(frame,
                    1 + sizeof message.answers_during_tasks + sizeof message.epoch + list_bytes(message.objects));
  writer << kind_of<MessageToCoordinator, to_coordinator::Hello>() << message.answers_during_tasks << message.epoch;
  write_list(writer, message.objects);
}

void append(Frame& frame, to_coordinator::TaskFinished&& message) {
  BodyWriter writer(
      frame, 1 + sizeof message.task + sizeof message.ending + sizeof message.seconds + payload_bytes(message.result));
  writer << kind_of<MessageToCoordinator, to_coordinator::TaskFinished>() << message.task << message.ending
         << message.seconds;
  write_payload(writer, frame, std::move(message.result));
}

void append(Frame& frame, const to_coordinator::ObjectsMissing& message) {
  BodyWriter writer(frame, 1 + list_bytes(message.objects));
  writer << kind_of<MessageToCoordinator, to_coordinator::ObjectsMissing>();
  write_list(writer, message.objects);
}

void append(Frame& frame, const to_coordinator::Pong&) {
  append_kind<MessageToCoordinator, to_coordinator::Pong>(frame);
}

void append(Frame& frame, const to_coordinator::Stuck& message) {
  append_plain<MessageToCoordinator>(frame, message);
}

void append(Frame& frame, const to_coordinator::Broken& message) {
  BodyWriter writer(frame, 1 + list_bytes(message.reason));
  writer << kind_of<MessageToCoordinator, to_coordinator::Broken>();
  write_list(writer, message.reason);
}

void append(Frame& frame, const to_coordinator::Goodbye&) {
  append_kind<MessageToCoordinator, to_coordinator::Goodbye>(frame);
}

void append(Frame& frame, const to_coordinator::FileCompared& message) {
  BodyWriter writer(frame, 1 + sizeof message.question + list_bytes(message.reason));
  writer << kind_of<MessageToCoordinator, to_coordinator::FileCompared>() << message.question;
  write_list(writer, message.reason);
}

void append(Frame& frame, const to_coordinator::SpillFolderWanted& message) {
  append_plain<MessageToCoordinator>(frame, message);
}

void append(Frame& frame, const to_coordinator::RoomLeft& message) {
  append_plain<MessageToCoordinator>(frame, message);
}

void append(Frame& frame, const to_coordinator::Returned& message) {
  BodyWriter writer(frame, 2 + list_bytes(message.tasks) + (message.items ? sizeof *message.items : 0));
  writer << kind_of<MessageToCoordinator, to_coordinator::Returned>();
  write_list(writer, message.tasks);
  writer << message.items.has_value();
  if (message.items) writer << *message.items;
}

Payload FrameReader::read_payload(std::string& no_room) {
  PayloadInFrame read = joblib_mpi::read_payload(reader_);
  if (read.uses_parts) no_room = no_room_;
  return std::move(read.payload);
}

MessageToWorker FrameReader::next_to_worker() {
  const auto kind = reader_.read<std::uint8_t>();
  switch (kind) {
    case kind_of<MessageToWorker, to_worker::RunTask>(): {
      to_worker::RunTask message;
      message.task = reader_.read<TaskId>();
      message.call = reader_.read<CallId>();
      message.limits = reader_.read<TaskLimits>();
      message.index = reader_.read<std::uint64_t>();
      message.items = reader_.read<ItemRange>();
      message.objects = read_list<std::vector<ObjectId>>(reader_);
      message.arguments = read_payload(message.no_room);
      return message;
    }
    case kind_of<MessageToWorker, to_worker::CancelCall>():
      return reader_.read<to_worker::CancelCall>();
    case kind_of<MessageToWorker, to_worker::ShareObject>(): {
      to_worker::ShareObject message;
      message.object = reader_.read<ObjectId>();
      message.part_bytes = read_list<std::vector<std::uint64_t>>(reader_);
      return message;
    }
    case kind_of<MessageToWorker, to_worker::BroadcastsEnded>():
      return to_worker::BroadcastsEnded{};
    case kind_of<MessageToWorker, to_worker::ObjectContent>(): {
      to_worker::ObjectContent message;
      message.object = reader_.read<ObjectId>();
      message.value = read_payload(message.no_room);
      return message;
    }
    case kind_of<MessageToWorker, to_worker::DropObject>():
      return reader_.read<to_worker::DropObject>();
    case kind_of<MessageToWorker, to_worker::Ping>():
      return to_worker::Ping{reader_.read<bool>()};
    case kind_of<MessageToWorker, to_worker::Stop>(): {
      to_worker::Stop message;
      message.status = reader_.read<std::int32_t>();
      message.failure = read_list<std::string>(reader_);
      message.ranks_lost = reader_.read<bool>();
      return message;
    }
    case kind_of<MessageToWorker, to_worker::SpillInto>():
      return to_worker::SpillInto{decode_spill_place(read_list<Bytes>(reader_))};
    case kind_of<MessageToWorker, to_worker::SpillFolderMade>(): {
      to_worker::SpillFolderMade message;
      message.call = reader_.read<CallId>();
      message.place = decode_spill_place(read_list<Bytes>(reader_));
      return message;
    }
    case kind_of<MessageToWorker, to_worker::Begin>():
      return to_worker::Begin{};
    case kind_of<MessageToWorker, to_worker::Rejoin>():
      return reader_.read<to_worker::Rejoin>();
    case kind_of<MessageToWorker, to_worker::TakeBack>(): {
      to_worker::TakeBack message{reader_.read<CallId>(), reader_.read<std::uint64_t>()};
      message.seekers.workers = reader_.read<std::uint32_t>();
      message.seekers.share = reader_.read<bool>();
      return message;
    }
    case kind_of<MessageToWorker, to_worker::CompareFile>(): {
      to_worker::CompareFile message;
      message.question = reader_.read<std::uint64_t>();
      message.file = decode_file_identity(read_list<Bytes>(reader_));
      return message;
    }
    default:
      refuse(kind);
  }
}

MessageToCoordinator FrameReader::next_to_coordinator() {
  const auto kind = reader_.read<std::uint8_t>();
  switch (kind) {
    case kind_of<MessageToCoordinator, to_coordinator::Hello>(): {
      to_coordinator::Hello message{reader_.read<bool>()};
      message.epoch = reader_.read<std::uint32_t>();
      message.objects = read_list<std::vector<ObjectId>>(reader_);
      return message;
    }
    case kind_of<MessageToCoordinator, to_coordinator::TaskFinished>(): {
      to_coordinator::TaskFinished message;
      message.task = reader_.read<TaskId>();
      message.ending = reader_.read<TaskEnding>();
      if (!is_task_ending(message.ending)) throw SerializationError("a task ended in an unknown way");
      message.seconds = reader_.read<double>();
      std::string no_room;
      message.result = read_payload(no_room);
      if (!no_room.empty()) {
        // The handle of a file and every other text are short, so only the result of the function can be missing.
        message.ending = TaskEnding::no_room;
        message.result = {std::as_bytes(std::span(no_room)), {}};
      }
      return message;
    }
    case kind_of<MessageToCoordinator, to_coordinator::ObjectsMissing>():
      return to_coordinator::ObjectsMissing{read_list<std::vector<ObjectId>>(reader_)};
    case kind_of<MessageToCoordinator, to_coordinator::Pong>():
      return to_coordinator::Pong{};
    case kind_of<MessageToCoordinator, to_coordinator::Stuck>():
      return reader_.read<to_coordinator::Stuck>();
    case kind_of<MessageToCoordinator, to_coordinator::Broken>():
      return to_coordinator::Broken{read_list<std::string>(reader_)};
    case kind_of<MessageToCoordinator, to_coordinator::Goodbye>():
      return to_coordinator::Goodbye{};
    case kind_of<MessageToCoordinator, to_coordinator::SpillFolderWanted>():
      return reader_.read<to_coordinator::SpillFolderWanted>();
    case kind_of<MessageToCoordinator, to_coordinator::RoomLeft>():
      return reader_.read<to_coordinator::RoomLeft>();
    case kind_of<MessageToCoordinator, to_coordinator::Returned>(): {
      to_coordinator::Returned message{read_list<std::vector<TaskId>>(reader_)};
      if (reader_.read<bool>()) message.items = reader_.read<to_coordinator::GivenItems>();
      return message;
    }
    case kind_of<MessageToCoordinator, to_coordinator::FileCompared>(): {
      to_coordinator::FileCompared message;
      message.question = reader_.read<std::uint64_t>();
      message.reason = read_list<std::string>(reader_);
      return message;
    }
    default:
      refuse(kind);
  }
}

}  // namespace joblib_mpi
