// A program one of whose workers stops for longer than the heartbeat: `pause_program comes_back` lets it go on once its
// task has run elsewhere, `pause_program stays_away` once rank 0 has ended. JOBLIB_MPI_ISOLATION says where tasks run.

#include <joblib_mpi/joblib_mpi.hpp>

#include <boost/serialization/string.hpp>
#include <boost/serialization/vector.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace jm = joblib_mpi;

namespace {

// What this process is, or, in an executor process, the rank beside which it runs.
pid_t rank_process = 0;
int rank_number = 0;

/// The file by which a paused worker finds out that it may go on.
struct Meeting {
  std::string path;  // of a file; another with ".again" added exists once the task of the paused worker runs again
  pid_t rank_0;
  bool stays_away;

  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& path& rank_0& stays_away;
  }
};

bool create(const std::string& path) {
  const int file = open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY, 0600);
  if (file < 0) return false;
  close(file);
  return true;
}

bool has_ended(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text;
  return !std::getline(file, text) || text.find(") Z ") != std::string::npos;
}

/// Stops the rank of this task, and lets it go on once `may_go_on` is true.
template <class Condition>
void pause_rank(Condition&& may_go_on) {
  if (fork() == 0) {
    while (!may_go_on() && !has_ended(rank_process)) usleep(10'000);
    kill(rank_process, SIGCONT);
    _exit(0);
  }
  kill(rank_process, SIGSTOP);
}

int plus_one_with_pause(const std::vector<int>& values, int index, const Meeting& meeting) {
  if (index == 0 && !create(meeting.path))
    create(meeting.path + ".again");
  else if (index == 0) {
    pause_rank([&] {
      return meeting.stays_away ? has_ended(meeting.rank_0) : access((meeting.path + ".again").c_str(), F_OK) == 0;
    });
  }
  return values.at(static_cast<std::size_t>(index)) + 1;
}

int rank_if_right(const std::vector<int>& values, int expected) {
  return values.back() == expected ? rank_number : -1;
}

int rank_slowly(int) {
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return rank_number;
}

/// Makes calls until a task has run on each of the `workers` workers, with the right data.
void use_all_workers(int workers, const std::vector<jm::Shared<std::vector<int>>>& objects) {
  for (std::vector<bool> seen(static_cast<std::size_t>(workers) + 1);
       std::count(seen.begin() + 1, seen.end(), true) < workers;) {
    for (const int rank : jm::Parallel({.retries = 20})(std::views::iota(0, 50) | std::views::transform([](int value) {
                                                          return jm::delayed<rank_slowly>(value);
                                                        }))) {
      seen.at(static_cast<std::size_t>(rank)) = true;
    }
    for (std::size_t number = 0; number < objects.size(); ++number) {
      for (const int rank : jm::Parallel({.retries = 20})(std::views::iota(0, 20) | std::views::transform([&](int) {
                                                            return jm::delayed<rank_if_right>(objects[number],
                                                                                              static_cast<int>(number));
                                                          }))) {
        if (rank < 0) throw std::runtime_error("a task got another object");
      }
    }
  }
}

int lead(const jm::MpiSession& session, bool stays_away) {
  const Meeting meeting{std::filesystem::temp_directory_path() / ("joblib_mpi_pause." + std::to_string(getpid())),
                        getpid(), stays_away};
  std::vector<jm::Shared<std::vector<int>>> objects;
  objects.push_back(jm::scatter(std::vector<int>(100'000, 0)));
  const std::vector<int> results =
      jm::Parallel({.retries = 20})(std::views::iota(0, 100) | std::views::transform([&](int index) {
                                      return jm::delayed<plus_one_with_pause>(objects[0], index, meeting);
                                    }));
  objects.push_back(jm::scatter(std::vector<int>(100'000, 1)));
  if (results != std::vector<int>(100, 1)) throw std::runtime_error("a result is wrong");
  if (!stays_away) use_all_workers(session.size() - 1, objects);
  for (const char* end : {"", ".again"}) std::filesystem::remove(meeting.path + end);
  std::puts("all results are right");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  rank_process = getpid();
  if (const char* rank = std::getenv("OMPI_COMM_WORLD_RANK")) rank_number = std::atoi(rank);
  jm::MpiSession session(argc, argv);
  const bool stays_away = argc > 1 && std::string(argv[1]) == "stays_away";
  return session.run([&] { return lead(session, stays_away); });
}
