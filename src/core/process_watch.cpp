#include "core/process_watch.hpp"

#include <fstream>
#include <sstream>
#include <unistd.h>

namespace joblib_mpi {
namespace {

struct ProcessState {
  char state = 'X';
  std::string start_time;  // in clock ticks since the machine started
};

ProcessState state_of(const std::string& pid) {
  std::ifstream file("/proc/" + pid + "/stat");
  std::string line;
  if (!std::getline(file, line)) return {};
  // The name before the last bracket may hold spaces and brackets. proc(5): after it come the state and, as the 22nd
  // field, the start time.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  ProcessState result;
  fields >> result.state;
  for (int field = 4; field <= 22; ++field) fields >> result.start_time;
  return result;
}

}  // namespace

std::string own_process() {
  const std::string pid = std::to_string(getpid());
  return pid + ":" + state_of(pid).start_time;
}

bool is_running(const std::string& process) {
  const std::size_t colon = process.find(':');
  if (colon == std::string::npos) return false;
  const ProcessState now = state_of(process.substr(0, colon));
  return now.state != 'X' && now.state != 'Z' && now.start_time == process.substr(colon + 1);
}

}  // namespace joblib_mpi
