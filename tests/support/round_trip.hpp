#pragma once

#include "support/catch.hpp"
#include <joblib_mpi/serialization.hpp>

namespace joblib_mpi::test {

/// Returns `value` saved and loaded again; checks that exactly what was written is read.
template <class T>
T there_and_back(const T& value) {
  Payload payload;
  PayloadWriter writer(payload);
  save(writer, value);
  writer.write('|');
  PayloadReader reader(payload);
  T result = load<T>(reader);
  CHECK(reader.read<char>() == '|');
  CHECK(reader.remaining_bytes() == 0);
  return result;
}

}  // namespace joblib_mpi::test
