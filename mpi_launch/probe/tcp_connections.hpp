#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace joblib_mpi::launch {

struct TcpConnection {
  std::string local;  ///< IPv4 addresses
  std::string remote;

  friend bool operator==(const TcpConnection&, const TcpConnection&) = default;
};

/// The established IPv4 connections of this process. The path is for tests.
[[nodiscard]] std::vector<TcpConnection> own_tcp_connections(const std::filesystem::path& process = "/proc/self");

}  // namespace joblib_mpi::launch
