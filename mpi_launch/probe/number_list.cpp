#include "probe/number_list.hpp"

#include <sstream>

namespace joblib_mpi::launch {

std::set<int> parse_number_list(const std::string& text) {
  std::set<int> numbers;
  std::istringstream pieces(text);
  for (std::string piece; std::getline(pieces, piece, ',');) {
    std::istringstream range(piece);
    int first = 0;
    if (!(range >> first)) continue;
    int last = first;
    char dash = 0;
    if (!(range >> dash >> last) || dash != '-') last = first;
    for (int number = first; number <= last; ++number) numbers.insert(number);
  }
  return numbers;
}

std::string format_number_list(const std::set<int>& numbers) {
  std::string text;
  for (auto next = numbers.begin(); next != numbers.end();) {
    const int first = *next;
    int last = first;
    while (++next != numbers.end() && *next == last + 1) last = *next;
    text += (text.empty() ? "" : ",") + std::to_string(first);
    if (last != first) text += "-" + std::to_string(last);
  }
  return text;
}

std::string ranks_in_words(const std::set<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + format_number_list(ranks);
}

std::string hosts_in_words(const std::set<std::string>& hosts) {
  if (hosts.size() == 1) return *hosts.begin();
  if (hosts.size() == 2) return *hosts.begin() + " and " + *hosts.rbegin();
  return *hosts.begin() + " and " + std::to_string(hosts.size() - 1) + " others";
}

}  // namespace joblib_mpi::launch
