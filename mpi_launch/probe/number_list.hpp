#pragma once

#include <set>
#include <string>

namespace joblib_mpi::launch {

/// The numbers in a list as the kernel writes it, "0-3,8"; what is no number is left out.
[[nodiscard]] std::set<int> parse_number_list(const std::string& text);

/// The same the other way.
[[nodiscard]] std::string format_number_list(const std::set<int>& numbers);

/// "rank 3", "ranks 0-3,8".
[[nodiscard]] std::string ranks_in_words(const std::set<int>& ranks);

/// "n1", "n1 and n2", "n1 and 5 others".
[[nodiscard]] std::string hosts_in_words(const std::set<std::string>& hosts);

}  // namespace joblib_mpi::launch
