#pragma once

#include "checkpoint/journal.hpp"
#include "spill/result_format.hpp"

namespace joblib_mpi {

/// Returns the format of the files for large results, in all ranks and executors of this process.
[[nodiscard]] const ResultFormat& session_result_format();

/// Returns the format of checkpoint files.
[[nodiscard]] JournalLayout session_journal_layout();

}  // namespace joblib_mpi
