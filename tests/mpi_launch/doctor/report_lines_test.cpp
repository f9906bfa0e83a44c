#include "probe/report_lines.hpp"

#include "healthy_job.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <sstream>

using namespace joblib_mpi::launch;
using namespace joblib_mpi::launch::test;

TEST_CASE("a report comes back from its lines as it was") {
  const JobReport job = healthy_job();
  const std::vector<JobReport> found = reports_in(to_lines(job, "n1:100"));
  REQUIRE(found.size() == 1);
  CHECK(found.front() == job);
}

TEST_CASE("a report's lines are short enough to be forwarded whole, and found between others") {
  JobReport job = healthy_job();
  for (int rank = 4; rank < 200; ++rank) job.ranks.push_back(healthy_rank(rank, "n3", "0"));
  std::istringstream lines(to_lines(job, "n1:100"));
  std::string output = "a greeting\n";
  for (std::string line; std::getline(lines, line);) {
    CHECK(line.size() < 2000);
    output += "[1,0]<stdout>:" + line + "\nsomething else\n";
  }
  REQUIRE(reports_in(output).size() == 1);
  CHECK(reports_in(output).front() == job);
  CHECK(says(without_report_lines(output), "a greeting\nsomething else\n"));
  CHECK_FALSE(says(without_report_lines(output), "joblib-mpi-report"));
}

TEST_CASE("the last report of a sender counts, and each sender's is kept") {
  JobReport early = healthy_job();
  early.links.clear();
  const std::vector<JobReport> found =
      reports_in(to_lines(early, "n1:100") + to_lines(early, "n1:101") + to_lines(healthy_job(), "n1:100"));
  REQUIRE(found.size() == 2);
  CHECK(found[0] == early);
  CHECK(found[1] == healthy_job());
}

TEST_CASE("a report that lost a line, or is none, is as good as none") {
  const std::string lines = to_lines(healthy_job(), "n1:100");
  const auto second = lines.find('\n') + 1;
  REQUIRE(second < lines.size());
  CHECK(reports_in(lines.substr(second)).empty());
  CHECK(reports_in(lines.substr(0, second)).empty());
  CHECK(reports_in("joblib-mpi-report n1:100 1 1 {\"size\": 4}\n").empty());
  CHECK(reports_in("joblib-mpi-report\njoblib-mpi-report n1 one two\n").empty());
}
