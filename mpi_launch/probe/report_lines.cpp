#include "probe/report_lines.hpp"

#include "probe/report_json.hpp"

#include <algorithm>
#include <map>
#include <sstream>

namespace joblib_mpi::launch {
namespace {

constexpr std::string_view line_mark = "joblib-mpi-report ";

/// The length of a line's text, below what launchers forward in one piece: 4096 bytes with Open MPI.
constexpr std::size_t characters_per_line = 1000;

/// The part of a report that has arrived from one sender.
struct Sheet {
  std::size_t parts = 0;
  std::string text;
};

}  // namespace

std::string to_lines(const JobReport& report, const std::string& sender) {
  const std::string text =
      nlohmann::json(report).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);  // ASCII only
  const std::size_t parts = (text.size() + characters_per_line - 1) / characters_per_line;
  std::string lines;
  for (std::size_t part = 0; part < parts; ++part) {
    lines += std::string(line_mark) + sender + ' ' + std::to_string(part + 1) + ' ' + std::to_string(parts) + ' ' +
             text.substr(part * characters_per_line, characters_per_line) + '\n';
  }
  return lines;
}

std::vector<JobReport> reports_in(std::string_view output) {
  std::map<std::string, Sheet> sheets;
  std::vector<std::pair<std::string, JobReport>> found;
  std::istringstream lines{std::string(output)};
  for (std::string line; std::getline(lines, line);) {
    const auto start = line.find(line_mark);
    if (start == std::string::npos) continue;
    std::istringstream fields(line.substr(start + line_mark.size()));
    std::string sender;
    std::size_t part = 0;
    std::size_t parts = 0;
    if (!(fields >> sender >> part >> parts)) continue;
    Sheet& sheet = sheets[sender];
    if (part == 1) sheet = {};
    if (part != ++sheet.parts) continue;  // a line was lost, so the report stays incomplete
    fields.get();
    std::string text;
    std::getline(fields, text);
    sheet.text += text;
    if (part != parts) continue;
    const nlohmann::json json = nlohmann::json::parse(sheet.text, nullptr, false);
    if (json.is_discarded()) continue;
    std::erase_if(found, [&](const auto& earlier) { return earlier.first == sender; });
    try {
      found.emplace_back(sender, json.get<JobReport>());
    } catch (const nlohmann::json::exception&) {  // written by another version: ignored
    }
  }
  std::vector<JobReport> reports;
  for (auto& [sender, report] : found) reports.push_back(std::move(report));
  return reports;
}

std::string without_report_lines(std::string_view output) {
  std::string rest;
  std::istringstream lines{std::string(output)};
  for (std::string line; std::getline(lines, line);) {
    if (line.find(line_mark) == std::string::npos) rest += line + '\n';
  }
  return rest;
}

}  // namespace joblib_mpi::launch
