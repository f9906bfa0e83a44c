#pragma once

#include "segments/descriptor.hpp"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace joblib_mpi {

/// A socket by which processes of one user meet on their machine: of the kind of `make_socket_pair`, and under a name
/// that no file system has.
class NodeSocket {
 public:
  /// Nothing if the system refuses.
  [[nodiscard]] static std::optional<NodeSocket> listen(std::string_view name);
  /// A connection with whoever listens, which is not open if that is nobody, or another user.
  [[nodiscard]] static Descriptor connect(std::string_view name);

  /// All who are waiting now. Another user's processes are sent away.
  [[nodiscard]] std::vector<Descriptor> accept_all() const;

 private:
  explicit NodeSocket(Descriptor socket) : socket_(std::move(socket)) {}

  Descriptor socket_;
};

}  // namespace joblib_mpi
