#include "session/node_wake_pages.hpp"

#include <cstdint>
#include <span>
#include <system_error>
#include <vector>

namespace joblib_mpi {

NodeWakePages exchange_wake_pages(const NodeMeeting& meeting, int rank, const OwnWakePage& own) {
  std::vector<const Descriptor*> sockets;
  for (const Descriptor& member : meeting.members) sockets.push_back(&member);
  if (meeting.head.open()) sockets.push_back(&meeting.head);

  constexpr bool wait = true;
  const std::int32_t own_rank = rank;
  for (const Descriptor* socket : sockets) {
    (void)send_message(*socket, std::as_bytes(std::span(&own_rank, 1)), own.file().get(), wait);
  }
  NodeWakePages pages;
  for (const Descriptor* socket : sockets) {
    std::int32_t other = 0;
    auto received = receive_message(*socket, std::as_writable_bytes(std::span(&other, 1)), wait);
    if (!received || received->bytes != sizeof other || !received->descriptor.open()) continue;
    try {
      pages.try_emplace(other, received->descriptor);
    } catch (const std::system_error&) {  // this rank is only found a little later by those that it cannot wake
    }
  }
  return pages;
}

}  // namespace joblib_mpi
