#include "command/options.hpp"

#include "command/launch_error.hpp"
#include "support/catch.hpp"

using namespace joblib_mpi::launch;
using joblib_mpi::test::contains;
using joblib_mpi::test::error_text;
using Words = std::vector<std::string>;

namespace {

RunOptions run_options(const Words& words) {
  return std::get<RunOptions>(options_from(words));
}

std::string refused_options(const Words& words) {
  return error_text<LaunchError>([&] { (void)options_from(words); });
}

}  // namespace

TEST_CASE("what follows the program's name is the program's") {
  CHECK(run_options({"run", "-n", "2", "search.py", "-n", "3"}).program == Words{"search.py", "-n", "3"});
  CHECK(run_options({"run", "-n", "2", "search.py", "-n", "3"}).launch.ranks == 2);
  CHECK(run_options({"run", "--", "./app", "--help"}).program == Words{"./app", "--help"});
  CHECK(run_options({"run", "./app", "--", "x"}).program == Words{"./app", "--", "x"});
  CHECK(run_options({"run", "-n4", "-m", "package", "-n", "3"}).program == Words{"-m", "package", "-n", "3"});
  CHECK(run_options({"run", "-c", "print()", "run"}).program == Words{"-c", "print()", "run"});
  CHECK(run_options({"run", "-"}).program == Words{"-"});
  CHECK(run_options({"run", "-i"}).program == Words{"-i"});
}

TEST_CASE("every option of run arrives where it belongs") {
  const RunOptions options = run_options({"run",
                                          "-n",
                                          "8",
                                          "--per-node",
                                          "4",
                                          "--threads",
                                          "2",
                                          "--launcher",
                                          "srun",
                                          "--no-bind",
                                          "--oversubscribe",
                                          "--survive",
                                          "--launcher-option=--quiet",
                                          "--launcher-option",
                                          "-v",
                                          "--python",
                                          "py",
                                          "--isolation",
                                          "none",
                                          "--preload",
                                          "a,b",
                                          "--memory-limit",
                                          "1GB",
                                          "--dry-run",
                                          "x.py"});
  CHECK(options.launch.ranks == 8);
  CHECK(options.launch.ranks_per_node == 4);
  CHECK(options.launch.threads_per_rank == 2);
  CHECK(options.launch.launcher == Launcher::srun);
  CHECK(options.launch.binds_none);
  CHECK(options.launch.oversubscribes);
  CHECK(options.launch.survives);
  CHECK(options.launch.launcher_options == Words{"--quiet", "-v"});
  CHECK(options.python.interpreter == "py");
  CHECK(options.python.isolation == "none");
  CHECK(options.python.preload == "a,b");
  CHECK(options.python.memory_limit == "1GB");
  CHECK(options.dry_run);
  CHECK(options.program == Words{"x.py"});
}

TEST_CASE("serve has the options of run, and takes no program") {
  const auto options = std::get<ServeOptions>(
      options_from({"serve", "-n", "64", "--survive", "--preload", "a,b", "--memory-limit", "1GB", "--dry-run"}));
  CHECK(options.launch.ranks == 64);
  CHECK(options.launch.survives);
  CHECK(options.python.preload == "a,b");
  CHECK(options.python.memory_limit == "1GB");
  CHECK(options.idle_timeout_seconds == 0);
  CHECK(options.dry_run);
  CHECK_THAT(refused_options({"serve", "search.py"}), contains("search.py"));
  CHECK_THAT(refused_options({"serve", "--", "search.py"}), contains("serve takes no program, but search.py is given"));
}

TEST_CASE("an idle timeout is a number of seconds, minutes, hours or days") {
  const std::pair<const char*, long> times[] = {{"0", 0},      {"90", 90},   {"90s", 90},
                                                {"30m", 1800}, {"2h", 7200}, {"1d", 86400}};
  for (const auto& [text, seconds] : times) {
    CHECK(std::get<ServeOptions>(options_from({"serve", "--idle-timeout", text})).idle_timeout_seconds == seconds);
  }
  for (const char* const text : {"", "m", "-1", "1.5h", "30 m", "2 hours", "999999999", "1h30m"}) {
    CHECK_THAT(refused_options({"serve", std::string("--idle-timeout=") + text}), contains("--idle-timeout"));
  }
  CHECK_THAT(refused_options({"serve", "--idle-timeout", "soon"}),
             contains("\"soon\" is no time, such as 90 (seconds), 90s, 30m or 2h"));
}

TEST_CASE("the address of a job has a host and a port") {
  CHECK(std::get<ServeOptions>(options_from({"serve"})).listen.empty());
  for (const char* const text : {"127.0.0.1:8786", "cn042.example.org:0", "[::1]:65535", "0.0.0.0:1"}) {
    CHECK(std::get<ServeOptions>(options_from({"serve", "--listen", text})).listen == text);
  }
  for (const char* const text : {"cn042", "cn042:", ":8786", "*:8786", "cn042:65536", "cn042:-1", "cn042:http",
                                 "::1:8786", "[]:1", "http://cn042:1"}) {
    CHECK_THAT(refused_options({"serve", std::string("--listen=") + text}),
               contains("\"" + std::string(text) + "\" is no address HOST:PORT, such as 127.0.0.1:8786"));
  }
}

TEST_CASE("list and stop are passed on") {
  const auto list = std::get<ServingJobsOptions>(options_from({"list", "--python", "py"}));
  CHECK(list.words == Words{"list"});
  CHECK(list.python.interpreter == "py");
  CHECK(std::get<ServingJobsOptions>(options_from({"stop", "slurm-12"})).words == Words{"stop", "slurm-12"});
  CHECK_THAT(refused_options({"stop"}), contains("JOB"));
  CHECK_THAT(refused_options({"stop", "one", "two"}), contains("two"));
  CHECK_THAT(refused_options({"list", "one"}), contains("one"));
}

TEST_CASE("connect takes a job, by default the only one of this host") {
  const auto automatic = std::get<ConnectOptions>(options_from({"connect", "--python", "py"}));
  CHECK(automatic.job == "auto");
  CHECK_FALSE(automatic.is_here);
  CHECK(automatic.python.interpreter == "py");
  const auto named = std::get<ConnectOptions>(options_from({"connect", "--here", "slurm:12"}));
  CHECK(named.job == "slurm:12");
  CHECK(named.is_here);
  CHECK_THAT(refused_options({"connect", "one", "two"}), contains("two"));
  CHECK_THAT(refused_options({"connect", "--", "one"}), contains("one"));
}

TEST_CASE("the words of kernel are passed on, but for the interpreter") {
  const auto install = std::get<KernelOptions>(options_from(
      {"kernel", "install", "-n", "4", "--python", "py", "--name=four", "--slurm", "-N 2 -p short", "--", "--user"}));
  CHECK(install.words == Words{"install", "-n", "4", "--name=four", "--slurm", "-N 2 -p short", "--", "--user"});
  CHECK(install.python.interpreter == "py");
  CHECK(std::get<KernelOptions>(options_from({"kernel", "--help"})).words == Words{"--help"});
  CHECK(std::get<KernelOptions>(options_from({"kernel"})).words.empty());
}

TEST_CASE("a wrong command line is refused with the word that is wrong") {
  CHECK_THAT(refused_options({}), contains("no command") && contains("--help"));
  CHECK_THAT(refused_options({"start"}), contains("start") && contains("--help"));
  CHECK_THAT(refused_options({"run"}), contains("no script or program given"));
  CHECK_THAT(refused_options({"run", "-n", "2"}), contains("no script or program given"));
  CHECK_THAT(refused_options({"run", "--rank", "2", "x.py"}), contains("unknown option --rank"));
  CHECK_THAT(refused_options({"run", "-n", "0", "x.py"}), contains("\"0\" is not a whole number of at least 1"));
  CHECK_THAT(refused_options({"run", "-n", "-1", "x.py"}), contains("\"-1\" is not a whole number of at least 1"));
  CHECK_THAT(refused_options({"run", "-n", "many", "x.py"}), contains("\"many\" is not a whole number of at least 1"));
  CHECK_THAT(refused_options({"run", "-n", "9999999999", "x.py"}), contains("is not a whole number of at least 1"));
  CHECK_THAT(refused_options({"run", "-n"}), contains("--ranks"));
  CHECK_THAT(refused_options({"run", "--per-node", "0", "x.py"}), contains("--per-node"));
  CHECK_THAT(refused_options({"run", "--threads", "x", "x.py"}), contains("--threads"));
  CHECK_THAT(refused_options({"run", "--launcher", "ssh", "x.py"}),
             contains("\"ssh\" is not a launcher; known: auto, mpirun, srun"));
  CHECK_THAT(refused_options({"run", "--isolation", "some", "x.py"}), contains("\"some\" is neither process nor none"));
}

TEST_CASE("help and the version are answers") {
  CHECK_THAT(std::get<Answer>(options_from({"--help"})).text, contains("run") && contains("Usage"));
  CHECK_THAT(std::get<Answer>(options_from({"run", "--help"})).text, contains("--per-node") && contains("search.py"));
  CHECK_THAT(std::get<Answer>(options_from({"serve", "--help"})).text,
             contains("--per-node") && contains("--preload") && contains("--idle-timeout"));
  CHECK_THAT(std::get<Answer>(options_from({"stop", "--help"})).text, contains("joblib-mpi list"));
  CHECK_THAT(std::get<Answer>(options_from({"--version"})).text, contains("joblib-mpi 0."));
}
