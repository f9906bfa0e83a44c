#pragma once

#include "segments/descriptor.hpp"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// Returns whether the process at the other end of a local connection belongs to this user.
[[nodiscard]] bool is_own_user(const Descriptor& connection) noexcept;

/// A socket at which processes of one user meet on their machine. It keeps the bounds of messages, and its name is in
/// the abstract namespace, not in a file system.
class NodeSocket {
 public:
  /// Returns a socket that listens under `name`, or nothing if the system refuses it.
  [[nodiscard]] static std::optional<NodeSocket> listen(std::string_view name);
  /// Returns a connection to the process that listens under `name`. It is not open if there is no such process, if it
  /// belongs to another user, or if as many connections wait there as the system allows. Does not wait.
  [[nodiscard]] static Descriptor connect(std::string_view name);

  /// Accepts all connections that are waiting now and returns them. Connections from other users are closed.
  [[nodiscard]] std::vector<Descriptor> accept_all() const;
  /// Returns the socket itself, which is readable when a connection is waiting.
  [[nodiscard]] const Descriptor& descriptor() const noexcept { return socket_; }

 private:
  explicit NodeSocket(Descriptor socket) : socket_(std::move(socket)) {}

  Descriptor socket_;
};

}  // namespace joblib_mpi
