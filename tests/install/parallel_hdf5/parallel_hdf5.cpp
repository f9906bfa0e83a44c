// All ranks write one dataset by MPI-IO, and joblib_mpi uses its own HDF5 between the two halves of it.
// parallel_hdf5 FOLDER

#include <joblib_mpi/joblib_mpi.hpp>
#include <joblib_mpi/mpi_session.hpp>

#include <hdf5.h>
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <ranges>
#include <string>
#include <vector>

namespace jm = joblib_mpi;

namespace {

constexpr hsize_t row_length = 1000;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "parallel_hdf5: %s\n", what);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

hid_t id(hid_t made) {
  require(made >= 0, "HDF5 has refused a call");
  return made;
}

/// All ranks write the row `first_row` + rank, whose numbers are the row's.
void write_rows(hid_t data, int first_row) {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  const int row = first_row + rank;
  const std::vector<int> numbers(row_length, row);
  const hsize_t start[] = {static_cast<hsize_t>(row), 0};
  const hsize_t count[] = {1, row_length};
  const hid_t file_space = id(H5Dget_space(data));
  H5Sselect_hyperslab(file_space, H5S_SELECT_SET, start, nullptr, count, nullptr);
  const hid_t memory_space = id(H5Screate_simple(2, count, nullptr));
  const hid_t together = id(H5Pcreate(H5P_DATASET_XFER));
  H5Pset_dxpl_mpio(together, H5FD_MPIO_COLLECTIVE);
  require(H5Dwrite(data, H5T_NATIVE_INT, memory_space, file_space, together, numbers.data()) >= 0,
          "cannot write a row");
  H5Pclose(together);
  H5Sclose(memory_space);
  H5Sclose(file_space);
}

/// A task that calls the program's HDF5, whose identifiers are those of the program's files.
std::vector<double> large(int number) {
  const hid_t space = id(H5Screate(H5S_SCALAR));
  require(H5Iget_type(space) == H5I_DATASPACE, "an identifier of the program's HDF5 has another type");
  H5Sclose(space);
  return std::vector<double>(100'000, number);
}

/// Returns how many results have come back from files with the right value.
int spill_and_checkpoint(const std::string& folder) {
  const jm::Parallel parallel{{.checkpoint = folder + "/run.h5",
                               .spill_threshold_bytes = 1000,
                               .spill_dir = folder,
                               .spill_compression = "gzip"}};
  const auto results =
      parallel.spilled(std::views::iota(0, 20) | std::views::transform([](int n) { return jm::delayed<large>(n); }));
  int right = 0;
  for (std::size_t number = 0; number < results.size(); ++number) {
    if (results[number].is_on_disk() && results[number].get() == large(static_cast<int>(number))) ++right;
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  require(argc == 2, "say the folder");
  const std::string folder = argv[1];
  MPI_Init(&argc, &argv);
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);

  const hid_t access = id(H5Pcreate(H5P_FILE_ACCESS));
  require(H5Pset_fapl_mpio(access, MPI_COMM_WORLD, MPI_INFO_NULL) >= 0, "cannot open a file by MPI-IO");
  const hid_t file = id(H5Fcreate((folder + "/program.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access));
  const hsize_t shape[] = {static_cast<hsize_t>(2 * ranks), row_length};
  const hid_t space = id(H5Screate_simple(2, shape, nullptr));
  const hid_t data = id(H5Dcreate2(file, "rows", H5T_NATIVE_INT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
  write_rows(data, 0);

  int right = 0;
  {
    jm::MpiSession session{MPI_COMM_WORLD};
    session.run([&] {
      right = spill_and_checkpoint(folder);
      require(std::filesystem::exists(folder + "/run.h5"), "there is no checkpoint");
    });
  }

  write_rows(data, ranks);
  H5Dclose(data);
  H5Sclose(space);
  H5Fclose(file);
  H5Pclose(access);

  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) {
    const hid_t written = id(H5Fopen((folder + "/program.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
    const hid_t rows = id(H5Dopen2(written, "rows", H5P_DEFAULT));
    std::vector<int> numbers(shape[0] * shape[1]);
    require(H5Dread(rows, H5T_NATIVE_INT, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()) >= 0, "cannot read the rows");
    for (std::size_t index = 0; index < numbers.size(); ++index) {
      require(numbers[index] == static_cast<int>(index / row_length), "a row has other numbers");
    }
    H5Dclose(rows);
    H5Fclose(written);
    std::printf("parallel_hdf5: %d results, %d rows\n", right, static_cast<int>(shape[0]));
  }
  MPI_Finalize();
  return 0;
}
