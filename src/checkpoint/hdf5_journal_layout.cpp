#include "checkpoint/hdf5_journal_layout.hpp"

#include "core/version.hpp"
#include "files/hdf5_file_image.hpp"
#include "files/hdf5_handle.hpp"

#include <algorithm>
#include <cstddef>

namespace joblib_mpi {
namespace {

Hdf5Handle text_type(std::size_t size) {
  Hdf5Handle type(H5Tcopy(H5T_C_S1), H5Tclose, "copying a string type");
  check_hdf5(H5Tset_size(type.get(), size), "setting the size of a string type");
  return type;
}

Hdf5Handle record_type() {
  Hdf5Handle type(H5Tcreate(H5T_COMPOUND, sizeof(JournalRecord)), H5Tclose, "creating the type of a record");
  const auto add = [&](const char* name, std::size_t offset, hid_t member) {
    check_hdf5(H5Tinsert(type.get(), name, offset, member), "adding a column to the type of a record");
  };
  add("call", offsetof(JournalRecord, place.call), H5T_NATIVE_UINT64);
  // Files of this format version have this name for the index.
  add("task", offsetof(JournalRecord, place.index), H5T_NATIVE_UINT64);
  add("function_key", offsetof(JournalRecord, key.function), H5T_NATIVE_UINT64);
  add("arguments_key", offsetof(JournalRecord, key.arguments), H5T_NATIVE_UINT64);
  add("offset", offsetof(JournalRecord, offset), H5T_NATIVE_UINT64);
  add("size", offsetof(JournalRecord, size), H5T_NATIVE_UINT64);
  add("n_parts", offsetof(JournalRecord, n_parts), H5T_NATIVE_UINT64);
  add("function", offsetof(JournalRecord, function), text_type(sizeof(JournalRecord::function)).get());
  add("data_checksum", offsetof(JournalRecord, data_checksum), H5T_NATIVE_UINT64);
  add("checksum", offsetof(JournalRecord, checksum), H5T_NATIVE_UINT64);
  return type;
}

Hdf5Handle make_dataset(const Hdf5Handle& file, const char* name, const Hdf5Handle& type, hsize_t size) {
  const Hdf5Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose, "creating a dataspace");
  const Hdf5Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "creating a dataset's properties");
  // The dataset's offset must be known now; its bytes are written without HDF5.
  check_hdf5(H5Pset_alloc_time(properties.get(), H5D_ALLOC_TIME_EARLY), "requesting early allocation of a dataset");
  check_hdf5(H5Pset_fill_time(properties.get(), H5D_FILL_TIME_NEVER), "turning off fill values of a dataset");
  return {H5Dcreate2(file.get(), name, type.get(), space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Dclose,
          "creating a dataset"};
}

std::uint64_t place_of(const Hdf5Handle& dataset) {
  const haddr_t offset = H5Dget_offset(dataset.get());
  if (offset == HADDR_UNDEF) throw Hdf5Error("HDF5 has allocated no space in the file for a dataset of the checkpoint");
  return offset;
}

void write_attribute(const Hdf5Handle& file, const char* name, const std::string& text) {
  const Hdf5Handle type = text_type(std::max<std::size_t>(text.size(), 1));
  const Hdf5Handle space(H5Screate(H5S_SCALAR), H5Sclose, "creating the dataspace of an attribute");
  const Hdf5Handle attribute(H5Acreate2(file.get(), name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                             "creating an attribute");
  check_hdf5(H5Awrite(attribute.get(), type.get(), text.empty() ? "\0" : text.data()), "writing an attribute");
}

Hdf5Handle create(Hdf5FileImage& image) {
  const Hdf5Handle properties(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "creating a file's properties");
  check_hdf5(H5Pset_userblock(properties.get(), journal_user_block_bytes), "requesting a user block");
  return {H5Fcreate("a journal in memory", H5F_ACC_TRUNC, properties.get(), image.properties().get()), H5Fclose,
          "creating a journal file"};
}

}  // namespace

JournalStructure lay_out_hdf5_journal(const std::vector<JournalRecord>& records, std::uint64_t data_size,
                                      const std::string& identity) {
  const auto lock = lock_hdf5();
  JournalStructure structure;
  Hdf5FileImage image;
  {
    Hdf5Handle file = create(image);
    write_attribute(file, "format", "joblib_mpi journal");
    write_attribute(file, "format_version", std::to_string(journal_format_version));
    write_attribute(file, "library", std::string("joblib_mpi ") + version);
    write_attribute(file, "identity", identity);
    const Hdf5Handle row = record_type();
    Hdf5Handle table = make_dataset(file, "records", row, records.size());
    check_hdf5(H5Dwrite(table.get(), row.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, records.data()), "writing records");
    const Hdf5Handle byte(H5Tcopy(H5T_NATIVE_UINT8), H5Tclose, "copying a number type");
    Hdf5Handle data = make_dataset(file, "data", byte, data_size);
    structure.records_offset = place_of(table);
    structure.data_offset = place_of(data);
    table.close("closing the records");
    data.close("closing the data");
    file.close("closing a journal file");
  }
  const std::uint64_t end = structure.data_offset + data_size;
  structure.before = image.bytes(0, structure.data_offset);
  structure.after = image.bytes(end, image.size());
  return structure;
}

}  // namespace joblib_mpi
