#include "session/file_formats.hpp"

#include "checkpoint/hdf5_journal_layout.hpp"
#include "spill/hdf5_result_format.hpp"

namespace joblib_mpi {

const ResultFormat& session_result_format() {
  return result_format();
}

JournalLayout session_journal_layout() {
  return lay_out_hdf5_journal;
}

}  // namespace joblib_mpi
