#pragma once

#include <set>
#include <string>

namespace joblib_mpi::launch {

/// Parses a list in the kernel's notation, "0-3,8"; skips parts that are not numbers.
[[nodiscard]] std::set<int> parse_number_list(const std::string& text);

/// Returns the numbers in the kernel's notation, "0-3,8".
[[nodiscard]] std::string format_number_list(const std::set<int>& numbers);

/// Returns the ranks in words: "rank 3", "ranks 0-3,8".
[[nodiscard]] std::string ranks_in_words(const std::set<int>& ranks);

/// Returns the hosts in words: "n1", "n1 and n2", "n1 and 5 others".
[[nodiscard]] std::string hosts_in_words(const std::set<std::string>& hosts);

}  // namespace joblib_mpi::launch
