#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

/// The two IPv4 addresses of a TCP connection.
struct TcpConnection {
  std::string local;
  std::string remote;

  friend bool operator==(const TcpConnection&, const TcpConnection&) = default;
};

/// Returns the established IPv4 connections of a process, by default of this one; tests pass another path.
[[nodiscard]] std::vector<TcpConnection> own_tcp_connections(const std::filesystem::path& process = "/proc/self");

}  // namespace joblib_mpi::launch
