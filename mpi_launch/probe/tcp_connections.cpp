#include "probe/tcp_connections.hpp"

#include <arpa/inet.h>
#include <fstream>
#include <netinet/in.h>
#include <set>
#include <sstream>
#include <system_error>

namespace joblib_mpi::launch {
namespace {

namespace fs = std::filesystem;

/// Returns the inode numbers of the sockets that the process has open.
std::set<std::string> open_sockets(const fs::path& process) {
  std::set<std::string> sockets;
  const std::string prefix = "socket:[";
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(process / "fd", error)) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (!error && target.starts_with(prefix))
      sockets.insert(target.substr(prefix.size(), target.size() - prefix.size() - 1));
  }
  return sockets;
}

/// Returns the IPv4 address of a field such as "0100007F:0016", which is in the byte order of the machine.
std::string address_of(const std::string& field) {
  const in_addr address{static_cast<in_addr_t>(std::stoul(field.substr(0, 8), nullptr, 16))};
  char text[INET_ADDRSTRLEN] = {};
  return inet_ntop(AF_INET, &address, text, sizeof text) == nullptr ? "" : text;
}

}  // namespace

std::vector<TcpConnection> own_tcp_connections(const fs::path& process) {
  const std::set<std::string> own = open_sockets(process);
  std::vector<TcpConnection> connections;
  std::ifstream table(process / "net/tcp");
  std::string line;
  std::getline(table, line);  // the header line
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string number, local, remote, state, queues, timer, retransmits, user, timeout, socket;
    fields >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >> timeout >> socket;
    const std::string established = "01";
    if (!fields || state != established || !own.contains(socket)) continue;
    connections.push_back({address_of(local), address_of(remote)});
  }
  return connections;
}

}  // namespace joblib_mpi::launch
