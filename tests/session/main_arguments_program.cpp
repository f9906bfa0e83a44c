// A program that replaces MPI_Init_thread: MpiSession passes the arguments of main to MPI, which may change them.

#include <joblib_mpi/joblib_mpi.hpp>

#include <mpi.h>

#include <cstdio>
#include <string>

namespace {
int given_argc = 0;
std::string given_last;
}  // namespace

extern "C" int MPI_Init_thread(int* argc, char*** argv, int required, int* provided) {
  if (argc != nullptr && argv != nullptr) {
    given_argc = *argc;
    given_last = (*argv)[*argc - 1];
    --*argc;  // as an MPI library that has consumed an argument
  }
  return PMPI_Init_thread(argc, argv, required, provided);
}

int main(int argc, char** argv) {
  joblib_mpi::MpiSession session(argc, argv);
  const bool right = given_argc == 3 && given_last == "argument" && argc == 2;
  if (!right) {
    std::fprintf(stderr, "MPI_Init_thread was given %d arguments, the last \"%s\"; main has %d then\n", given_argc,
                 given_last.c_str(), argc);
  }
  const int status = session.run([] {});
  return right ? status : 1;
}
