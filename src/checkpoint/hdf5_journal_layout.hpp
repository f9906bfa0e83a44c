#pragma once

#include "checkpoint/journal_layout.hpp"

namespace joblib_mpi {

/// Lays out a journal file, as a JournalLayout, in HDF5: with a user block, the datasets `records` (compound, a row for
/// each result) and `data` (bytes), and the attributes `format`, `format_version`, `library` and `identity`. Throws
/// Hdf5Error.
[[nodiscard]] JournalStructure lay_out_hdf5_journal(const std::vector<JournalRecord>& records, std::uint64_t data_size,
                                                    const std::string& identity);

}  // namespace joblib_mpi
