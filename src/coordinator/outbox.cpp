#include "coordinator/outbox.hpp"

namespace joblib_mpi {
namespace {

constexpr std::size_t most_bytes_per_shared_frame = 3072;  // so that MPI sends the frame eagerly

}  // namespace

Outbox::Outbox(Transport& transport, std::size_t tasks_per_message)
    : transport_(&transport),
      tasks_per_message_(tasks_per_message),
      lines_(static_cast<std::size_t>(transport.size())) {}

void Outbox::add_task(WorkerId worker, to_worker::RunTask& task) {
  Line& line = this->line(worker);
  const bool full = line.frames.empty() || line.tasks_in_last >= tasks_per_message_ ||
                    line.frames.back().body.size() > most_bytes_per_shared_frame || !line.frames.back().parts.empty();
  if (full) {
    line.frames.emplace_back();
    line.tasks_in_last = 0;
  }
  ++line.tasks_in_last;
  ++line.tasks_in_frames;
  note_unsent(worker, line);
  append(line.frames.back(), task);
  if (!can_wait(line)) urgent_ = true;
}

std::size_t Outbox::tasks_under_way() const {
  std::size_t tasks = 0;
  for (const Line& line : lines_) tasks += line.tasks_sent + line.tasks_in_frames;
  return tasks;
}

void Outbox::give_up(WorkerId worker) {
  line(worker) = {.given_up = true};
  std::erase(unsent_, worker);
}

}  // namespace joblib_mpi
