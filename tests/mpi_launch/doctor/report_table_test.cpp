#include "doctor/report_table.hpp"

#include "doctor/text_columns.hpp"
#include "healthy_job.hpp"
#include "probe/number_list.hpp"
#include "support/catch.hpp"

#include <sstream>

using namespace joblib_mpi::launch;
using namespace joblib_mpi::launch::test;

namespace {

Examination healthy_examination() {
  return {.report = healthy_job(), .problems = {}, .words = ""};
}

}  // namespace

TEST_CASE("the table shows hosts, MPI, Python, the spill folder and ways") {
  const std::string table = to_table(healthy_examination(), "mpirun -n 4");
  CHECK(says(table, "4 ranks on 2 hosts\nmpirun -n 4\n"));
  CHECK(says(table, "n1    0      0 of 2         12 GiB of 16 GiB  8.0 GiB   65536"));
  CHECK(says(table, "MPI     Open MPI v5.0.7, MPI_THREAD_SERIALIZED, ULFM on, does not yield its core\n"));
  CHECK(says(table, "Python  3.11.2, cloudpickle 3.1.0, joblib 1.4.2, joblib_mpi 0.1.0, numpy 2.1.0\n"));
  CHECK(says(table, "Spill   /scratch/me, 500 GiB left, the same on all hosts\n"));
  CHECK(says(table, "rank 1 on n1    sm          0.3 us   9000 MB/s"));
  CHECK(says(table, "rank 2 on n2    tcp (eth0)  12 us    1100 MB/s"));
  CHECK(says(table, "A run would work.\n"));
}

TEST_CASE("ranks with the same facts share a line") {
  Examination examination = healthy_examination();
  for (RankReport& rank : examination.report->ranks) rank.machine.cpus = "0-1";
  CHECK(says(to_table(examination, ""), "n2    2-3    0-1 of 2"));
}

TEST_CASE("what differs between hosts is shown with its host") {
  Examination examination = healthy_examination();
  examination.report->ranks[2].python.version = "3.12.1";
  examination.report->ranks[2].spill_error = "not seen";
  const std::string table = to_table(examination, "");
  CHECK(says(table, "3.11.2, cloudpickle 3.1.0, joblib 1.4.2, joblib_mpi 0.1.0, numpy 2.1.0 on n1\n"));
  CHECK(says(table, "3.12.1, cloudpickle 3.1.0, joblib 1.4.2, joblib_mpi 0.1.0, numpy 2.1.0 on n2\n"));
  CHECK(says(table, "NOT the same on all hosts"));
}

TEST_CASE("problems come with their remedies, counted, in no more than 100 columns") {
  Examination examination = healthy_examination();
  std::string long_text;
  for (int word = 0; word < 40; ++word) long_text += "word" + std::to_string(word) + " ";
  examination.problems = {{Severity::fails, long_text, long_text},
                          {Severity::warns, "slow", "be quick"},
                          {Severity::note, "by the way", ""}};
  examination.words = "mpirun's own words\n";
  const std::string table = to_table(examination, "mpirun " + long_text);
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    INFO(line);
    CHECK(line.size() <= 100);
  }
  CHECK(says(table, "WARNING slow\n   ->   be quick\nNOTE    by the way\n"));
  CHECK(says(table, "mpirun's own words\n"));
  CHECK(says(table, "A run would fail: 1 problem, 1 warning, 1 note.\n"));
}

TEST_CASE("without a report the table is what is wrong") {
  const Examination examination{.report = {}, .problems = {{Severity::fails, "no mpirun", "install it"}}, .words = ""};
  CHECK(to_table(examination, "") == "FAILS   no mpirun\n   ->   install it\n\nA run would fail: 1 problem.\n");
}

TEST_CASE("lists of numbers are read and written as the kernel writes them") {
  CHECK(parse_number_list("0-3,8,10-11\n") == std::set<int>{0, 1, 2, 3, 8, 10, 11});
  CHECK(parse_number_list("").empty());
  CHECK(format_number_list({0, 1, 2, 3, 8, 10, 11}) == "0-3,8,10-11");
  CHECK(ranks_in_words({4}) == "rank 4");
  CHECK(ranks_in_words({4, 5}) == "ranks 4-5");
}

TEST_CASE("text is wrapped at spaces and indented") {
  CHECK(wrapped("one two three four", 11, 2) == "one two\n  three\n  four");
  CHECK(wrapped("a_word_that_is_longer_than_a_line b", 10, 2) == "a_word_that_is_longer_than_a_line\n  b");
}
