#include "support/catch_session.hpp"

#include <sys/stat.h>

int main(int argc, char** argv) {
  umask(022);  // files of tests are the user's own, also where others of the group may usually write
  return joblib_mpi::test::run_test_cases(argc, argv);
}
