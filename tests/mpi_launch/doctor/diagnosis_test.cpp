#include "doctor/diagnosis.hpp"

#include "healthy_job.hpp"
#include "support/catch.hpp"

#include <functional>

using namespace joblib_mpi::launch;
using namespace joblib_mpi::launch::test;

namespace {

/// Returns the only problem of a healthy job after `break_it`.
Problem only_problem(const std::function<void(JobReport&, Expectations&)>& break_it) {
  JobReport job = healthy_job();
  Expectations expected = four_ranks();
  break_it(job, expected);
  const Problems problems = diagnose(job, expected);
  for (const Problem& problem : problems) UNSCOPED_INFO(problem.what);
  REQUIRE(problems.size() == 1);
  CHECK_FALSE(problems.front().remedy.empty());
  return problems.front();
}

Problem only_problem(const std::function<void(JobReport&)>& break_it) {
  return only_problem([&](JobReport& job, Expectations&) { break_it(job); });
}

}  // namespace

TEST_CASE("nothing is said of a job in which all is well") {
  CHECK(diagnose(healthy_job(), four_ranks()).empty());
}

TEST_CASE("the worst comes first") {
  JobReport job = healthy_job();
  job.ranks[0].mpi.ulfm = job.ranks[1].mpi.ulfm = false;
  job.spill_free_bytes = 1;
  job.ranks[3].spill_error = "not there";
  const Problems problems = diagnose(job, four_ranks());
  REQUIRE(problems.size() == 3);
  CHECK(problems[0].severity == Severity::fails);
  CHECK(problems[1].severity == Severity::warns);
  CHECK(problems[2].severity == Severity::note);
}

TEST_CASE("ranks that joined and did not report are named") {
  const Problem problem = only_problem([](JobReport& job) {
    job.ranks.erase(job.ranks.begin() + 1);
    job.ranks.pop_back();
  });
  CHECK(problem.severity == Severity::fails);
  CHECK(says(problem.what, "ranks 1,3 joined the job, but did not report"));
}

TEST_CASE("a job of another size than was asked for fails") {
  const Problem problem = only_problem([](JobReport&, Expectations& expected) { expected.ranks = 6; });
  CHECK(problem.severity == Severity::fails);
  CHECK(says(problem.what, "4 ranks have joined instead of 6"));
}

TEST_CASE("one rank has no workers") {
  JobReport job = healthy_job();
  job.size = 1;
  job.ranks.resize(1);
  job.links.clear();
  Expectations expected = four_ranks();
  expected.ranks = 1;
  const Problems problems = diagnose(job, expected);
  REQUIRE(problems.size() == 1);
  CHECK(problems.front().severity == Severity::note);
}

TEST_CASE("different MPI libraries on two hosts fail, with the host of each") {
  const Problem problem =
      only_problem([](JobReport& job) { job.ranks[2].mpi.library = job.ranks[3].mpi.library = "Open MPI v5.0.1"; });
  CHECK(problem.severity == Severity::fails);
  CHECK(says(problem.what, "Open MPI v5.0.1 on n2; Open MPI v5.0.7 on n1"));
}

TEST_CASE("different builds of joblib-mpi on two hosts fail") {
  const Problem problem = only_problem([](JobReport& job) { job.ranks[2].probe = job.ranks[3].probe = "other"; });
  CHECK(problem.severity == Severity::fails);
  CHECK(says(problem.what, "builds of joblib-mpi differ"));
}

TEST_CASE("a launcher of another MPI, or of another major version, fails; another minor version is worth a warning") {
  const auto with_launcher = [](const MpiVersion& launcher) {
    return only_problem([&](JobReport&, Expectations& expected) { expected.launcher = launcher; });
  };
  const Problem other = with_launcher({"MPICH", "4.0.2", 4});
  CHECK(other.severity == Severity::fails);
  CHECK(says(other.what, "the launcher is MPICH 4.0.2, the library is Open MPI 5.0.7 (/usr/lib/libmpi.so.40)"));
  CHECK(with_launcher({"Open MPI", "4.1.4", 4}).severity == Severity::fails);
  CHECK(with_launcher({"Open MPI", "5.0.1", 5}).severity == Severity::warns);
}

TEST_CASE("an MPI without threads fails for Python, and is slow otherwise") {
  const auto with_level = [](const char* level, bool python) {
    return only_problem([&](JobReport& job, Expectations& expected) {
             job.ranks[0].mpi.thread_level = level;
             expected.needs_python = python;
           })
        .severity;
  };
  CHECK(with_level("MPI_THREAD_SINGLE", true) == Severity::fails);
  CHECK(with_level("MPI_THREAD_SINGLE", false) == Severity::warns);
  CHECK(with_level("MPI_THREAD_FUNNELED", true) == Severity::warns);
}

TEST_CASE("ULFM that is off, or not there, is worth a note, with how to survive") {
  const Problem off = only_problem([](JobReport& job) { job.ranks[0].mpi.ulfm = false; });
  CHECK(off.severity == Severity::note);
  CHECK(says(off.remedy, "--with-ft ulfm"));
  const Problem absent =
      only_problem([](JobReport& job) { job.ranks[0].mpi.ulfm = job.ranks[0].mpi.can_ulfm = false; });
  CHECK(says(absent.remedy, "--survive"));
}

TEST_CASE("a Python without joblib_mpi fails if Python is meant, and is a note otherwise") {
  const auto broken = [](bool needed) {
    return only_problem([&](JobReport& job, Expectations& expected) {
      job.ranks[2].python.error = "ModuleNotFoundError: No module named 'joblib_mpi'";
      expected.needs_python = needed;
    });
  };
  CHECK(broken(true).severity == Severity::fails);
  CHECK(says(broken(true).what, "on n2 with /env/bin/python: ModuleNotFoundError: No module named 'joblib_mpi'"));
  CHECK(broken(false).severity == Severity::note);
}

TEST_CASE("package versions that differ between hosts are named; those that a session compares fail") {
  const Problem numpy = only_problem([](JobReport& job) { job.ranks[2].python.packages["numpy"] = "1.26.4"; });
  CHECK(numpy.severity == Severity::warns);
  CHECK(says(numpy.what, "numpy differs: 1.26.4 on n2, 2.1.0 on n1"));
  const Problem cloudpickle = only_problem([](JobReport& job) { job.ranks[2].python.packages["cloudpickle"] = "2.0"; });
  CHECK(cloudpickle.severity == Severity::fails);
  const Problem python = only_problem([](JobReport& job) { job.ranks[2].python.version = "3.12.0"; });
  CHECK(python.severity == Severity::fails);
  const Problem absent = only_problem([](JobReport& job) { job.ranks[2].python.packages.erase("joblib"); });
  CHECK(says(absent.what, "joblib differs: 1.4.2 on n1, missing on n2"));
}

TEST_CASE("a Python module of another MPI library is worth a warning") {
  const Problem problem = only_problem([](JobReport& job) { job.ranks[0].python.mpi_file = "/conda/lib/libmpi.so"; });
  CHECK(problem.severity == Severity::warns);
  CHECK(says(problem.what, "on n1 uses /conda/lib/libmpi.so"));
}

TEST_CASE("two ranks that are bound to one core are named, while others have their own") {
  const Problem problem = only_problem([](JobReport& job, Expectations& expected) {
    job.ranks.push_back(healthy_rank(4, "n1", "0"));
    for (RankReport& rank : job.ranks) rank.machine.machine_cpus = 4;
    // The machine has enough cores for all of them.
    job.ranks[1].machine.cpus = "1-2";
    job.size = expected.ranks = 5;
  });
  CHECK(problem.severity == Severity::warns);
  CHECK(says(problem.what, "ranks 0,4 on n1 share core 0, while other ranks have cores to themselves"));
}

TEST_CASE("more ranks than cores are a note if MPI yields, and slow if it does not") {
  const auto oversubscribed = [](bool yields) {
    return only_problem([&](JobReport& job) {
      for (const int rank : {0, 1}) {
        job.ranks[static_cast<std::size_t>(rank)].machine.cpus = "0";
        job.ranks[static_cast<std::size_t>(rank)].mpi.yields = yields;
      }
    });
  };
  CHECK(oversubscribed(true).severity == Severity::note);
  CHECK(oversubscribed(false).severity == Severity::warns);
  CHECK(says(oversubscribed(false).remedy, "OMPI_MCA_mpi_yield_when_idle=1"));
}

TEST_CASE("ranks with fewer cores than threads are named") {
  const Problem problem = only_problem([](JobReport& job, Expectations& expected) {
    expected.threads_per_rank = 2;
    for (const std::size_t rank : {0U, 1U, 3U}) job.ranks[rank].machine.cpus = rank % 2 == 0 ? "0-1" : "2-3";
    job.ranks[2].machine.cpus = "0";
  });
  CHECK(problem.severity == Severity::warns);
  CHECK(says(problem.what, "rank 2 on n2 may use fewer cores than the 2 threads"));
}

TEST_CASE("memory that is too little for each rank of a host is named, with what limits it") {
  const auto with_memory = [](std::uint64_t bytes) {
    return only_problem([&](JobReport& job) {
      for (const std::size_t rank : {2U, 3U}) {
        job.ranks[rank].machine.memory_free_bytes = bytes;
        job.ranks[rank].machine.memory_limit = "the memory cgroup /job_7";
      }
    });
  };
  const Problem tight = with_memory(gibibyte / 2);
  CHECK(tight.severity == Severity::warns);
  CHECK(says(tight.what, "ranks 2-3 on n2 have 256 MiB of memory each (the memory cgroup /job_7 has 512 MiB left)"));
  CHECK(with_memory(gibibyte / 8).severity == Severity::fails);
}

TEST_CASE("ranks with limits of their own do not share them") {
  JobReport job = healthy_job();
  for (const std::size_t rank : {0U, 1U}) {
    job.ranks[rank].machine.memory_free_bytes = gibibyte / 2;
    job.ranks[rank].machine.memory_limit = "the memory cgroup /task_" + std::to_string(rank);
  }
  CHECK(diagnose(job, four_ranks()).empty());
}

TEST_CASE("a tiny /dev/shm is named, with how to do without") {
  const Problem problem = only_problem([](JobReport& job) { job.ranks[2].machine.shm_bytes = 1 << 20; });
  CHECK(problem.severity == Severity::warns);
  CHECK(says(problem.what, "/dev/shm on n2 has 1.0 MiB"));
  CHECK(says(problem.remedy, "--shm-size"));
}

TEST_CASE("a low limit of open files is named") {
  const Problem problem = only_problem([](JobReport& job) { job.ranks[3].machine.open_files = 256; });
  CHECK(problem.severity == Severity::warns);
  CHECK(says(problem.what, "processes on n2 may have 256 open files"));
}

TEST_CASE("a spill folder that is not the same on all hosts fails if it was chosen") {
  const auto not_shared = [](bool chosen) {
    return only_problem([&](JobReport& job, Expectations& expected) {
      job.ranks[2].spill_error = job.ranks[3].spill_error = "the file that rank 0 made there does not exist here";
      expected.chosen_spill_folder = chosen;
    });
  };
  CHECK(not_shared(true).severity == Severity::fails);
  CHECK(says(not_shared(true).what, "\"/scratch/me\" is not the same on n2 (ranks 2-3): the file"));
  CHECK(not_shared(false).severity == Severity::warns);
}

TEST_CASE("a spill folder that rank 0 cannot write to, or that is full, is named") {
  const Problem unwritable = only_problem([](JobReport& job) { job.spill_error = "no file can be made in \"/x\""; });
  CHECK(unwritable.severity == Severity::fails);
  CHECK(says(unwritable.what, "no file can be made in \"/x\""));
  const Problem full = only_problem([](JobReport& job) { job.spill_free_bytes = 100; });
  CHECK(full.severity == Severity::warns);
  CHECK(says(full.what, "has only 100 B left"));
}

TEST_CASE("a way that no message takes fails, and the remedy names networks") {
  const Problem problem = only_problem([](JobReport& job) { job.links[1].measured = false; });
  CHECK(problem.severity == Severity::fails);
  CHECK(says(problem.what, "from rank 0 to rank 2 on n2 do not arrive"));
  CHECK(says(problem.remedy, "OMPI_MCA_btl_tcp_if_include"));
}

TEST_CASE("TCP inside a host, and messages that take long, are named") {
  const Problem tcp = only_problem([](JobReport& job) { job.links[0].transport = "tcp"; });
  CHECK(tcp.severity == Severity::warns);
  CHECK(says(tcp.what, "rank 1 on n1, the same host, take TCP"));
  const Problem shared_core = only_problem([](JobReport& job) { job.links[0].latency_microseconds = 4000; });
  CHECK(shared_core.severity == Severity::warns);
  CHECK(says(shared_core.what, "takes 4000 us"));
  const Problem far = only_problem([](JobReport& job) { job.links[1].latency_microseconds = 2000; });
  CHECK(says(far.remedy, "faster network"));
}

TEST_CASE("TCP over several interfaces is worth a note") {
  const Problem problem = only_problem([](JobReport& job) { job.links[1].through = {"eth0", "ib0"}; });
  CHECK(problem.severity == Severity::note);
  CHECK(says(problem.what, "uses several interfaces: eth0, ib0"));
}

TEST_CASE("a bridge that has the same address on two hosts is named, unless TCP was told what to use") {
  const auto with_docker = [](JobReport& job) {
    for (RankReport& rank : job.ranks) rank.machine.interfaces.push_back({"docker0", "172.17.0.1"});
  };
  const Problem problem = only_problem([&](JobReport& job) { with_docker(job); });
  CHECK(problem.severity == Severity::warns);
  CHECK(says(problem.what, "interface docker0 has the same address 172.17.0.1 on n1 and n2"));
  CHECK(says(problem.remedy, "btl_tcp_if_exclude=lo,docker0"));

  JobReport job = healthy_job();
  with_docker(job);
  job.ranks[0].mpi.tcp_interfaces = "eth0";
  CHECK(diagnose(job, four_ranks()).empty());
}
