// The main function of MPI tests: all ranks run the same cases in the same order, and a failure on one rank fails the
// run on all ranks.
//
// `--threads=funneled` as the first argument initialises MPI for calls of the main thread only, `--threads=multiple`
// for calls of several threads at the same time.

#include "support/catch_session.hpp"

#include <mpi.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string_view>
#include <vector>

namespace {

int rank = 0;
std::ostringstream report;

void print_report(std::FILE* stream) {
  std::fprintf(stream, "---- rank %d ----\n%s", rank, report.str().c_str());
  std::fflush(stream);
}

/// Prints the running test case and the report so far: otherwise the report of a rank that dies, or hangs until the
/// time limit, would be lost.
void report_and_die(int signal) {
  std::fprintf(stderr, "rank %d: signal %d in \"%s\"\n", rank, signal, joblib_mpi::test::running_test_case().c_str());
  print_report(stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> arguments(argv, argv + argc);
  int wanted = MPI_THREAD_SERIALIZED;
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--threads=funneled") wanted = MPI_THREAD_FUNNELED;
  if (first == "--threads=multiple") wanted = MPI_THREAD_MULTIPLE;
  if (wanted != MPI_THREAD_SERIALIZED) arguments.erase(arguments.begin() + 1);
  char order[] = "--order";
  char as_declared[] = "decl";
  arguments.insert(arguments.end(), {order, as_declared});

  int provided = 0;
  MPI_Init_thread(&argc, &argv, wanted, &provided);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGTERM}) std::signal(signal, report_and_die);
  std::streambuf* terminal = std::cout.rdbuf(report.rdbuf());
  const int failures = joblib_mpi::test::run_test_cases(static_cast<int>(arguments.size()), arguments.data());
  std::cout.rdbuf(terminal);

  if (failures != 0 || rank == 0) print_report(stdout);
  int worst = failures;
  MPI_Allreduce(&failures, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst == 0 ? 0 : 1;
}
