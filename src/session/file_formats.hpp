#pragma once

#include "checkpoint/journal.hpp"
#include "spill/result_format.hpp"

namespace joblib_mpi {

/// The format of the files that large results go to, in all ranks and executors of this process.
[[nodiscard]] const ResultFormat& session_result_format();

/// The format of checkpoint files.
[[nodiscard]] JournalLayout session_journal_layout();

}  // namespace joblib_mpi
