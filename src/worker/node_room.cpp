#include "worker/node_room.hpp"

namespace joblib_mpi {
namespace {

/// The time between two looks, each of which takes some 50 us. Chosen: a process fills some 100 MB in this time.
constexpr std::chrono::milliseconds pause{50};

}  // namespace

std::optional<std::uint64_t> NodeRoom::news(TimePoint now, bool holds_objects) {
  if (told_ && (!holds_objects || now - last_look_ < pause)) return std::nullopt;
  last_look_ = now;
  const std::uint64_t room = room_();
  const auto differs = [room](std::uint64_t told) {
    return room > told ? room - told > told / 8 : told - room > told / 8;
  };
  if (told_ && !differs(*told_)) return std::nullopt;
  told_ = room;
  return room;
}

}  // namespace joblib_mpi
