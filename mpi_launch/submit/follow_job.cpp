#include "submit/follow_job.hpp"

#include "command/command_output.hpp"
#include "submit/job_state.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

namespace joblib_mpi::launch {
namespace {

using Clock = std::chrono::steady_clock;

/// The pauses between questions to the controller, which serves all users: the first, growing up to the longest.
/// Chosen, not measured.
constexpr std::chrono::milliseconds first_pause{500};
constexpr std::chrono::milliseconds longest_pause{15000};
constexpr std::chrono::milliseconds output_pause{200};
/// The time that a shared file system may take to show the last lines.
constexpr std::chrono::milliseconds last_lines{1000};

constexpr double longest_state_seconds = 60;

volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int) {
  interrupted = 1;
}

/// Copies what is appended to a file to standard output.
class FileTail {
 public:
  void copy_news(const std::string& path) {
    if (path.empty()) return;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return;
    const std::streamoff size = file.tellg();
    if (size < done_) done_ = 0;  // the file was truncated
    file.seekg(done_);
    std::string news(static_cast<std::size_t>(size - done_), '\0');
    file.read(news.data(), size - done_);
    done_ += file.gcount();
    std::fwrite(news.data(), 1, static_cast<std::size_t>(file.gcount()), stdout);
    std::fflush(stdout);
  }

 private:
  std::streamoff done_ = 0;
};

/// Prints each change of the job's state once.
class Reporter {
 public:
  explicit Reporter(const std::string& id) : job_("joblib-mpi: job " + id) {}

  void report(const JobState& now) {
    if (now.restarts > restarts_) say(" was requeued, restart " + std::to_string(now.restarts));
    restarts_ = now.restarts;
    const std::string state = now.state + (now.reason.empty() ? "" : " (" + now.reason + ")");
    if (state == state_) return;
    state_ = state;
    if (now.is_over()) {
      say(" has ended: " + state + ", status " + std::to_string(now.exit_status()));
    } else if (now.state != "COMPLETING") {
      say(" is " + state);
    }
  }

  void say(const std::string& text) const { std::fprintf(stderr, "%s%s\n", job_.c_str(), text.c_str()); }

 private:
  std::string job_;
  std::string state_;
  int restarts_ = 0;
};

}  // namespace

int follow_job(const std::string& id) {
  std::signal(SIGINT, note_interrupt);
  Reporter reporter(id);
  FileTail output;
  std::string path;
  std::chrono::milliseconds pause = first_pause;
  auto next_question = Clock::now();
  bool unreachable = false;
  while (interrupted == 0) {
    if (Clock::now() >= next_question) {
      const auto answer = output_of({"scontrol", "show", "job", "--oneliner", id}, longest_state_seconds);
      const auto job = answer ? job_state_from(answer->text) : std::nullopt;
      if (job) {
        unreachable = false;
        path = job->output;
        reporter.report(*job);
        if (job->is_over()) {
          std::this_thread::sleep_for(last_lines);
          output.copy_news(path);
          return job->exit_status();
        }
      } else if (answer && answer->text.find("Invalid job id") != std::string::npos) {
        reporter.say(" is no longer known to Slurm, so its status is unknown here; try sacct -j " + id);
        return 1;
      } else if (interrupted == 0 && !unreachable) {
        unreachable = true;
        reporter.say(": Slurm does not answer; trying again" + (answer ? ": " + answer->text : ""));
      }
      pause = std::min(pause * 3 / 2, longest_pause);
      next_question = Clock::now() + pause;
    }
    output.copy_news(path);
    std::this_thread::sleep_for(output_pause);
  }
  reporter.say(" goes on, but its output is no longer followed. To end it: scancel " + id);
  return 128 + SIGINT;
}

}  // namespace joblib_mpi::launch
