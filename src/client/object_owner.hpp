#pragma once

#include <joblib_mpi/detail/object_id.hpp>

#include <cstdint>

namespace joblib_mpi {

// Tasks name objects inside of their payloads, which rank 0 does not look into. So that no two programs of a job give
// one name to different objects, each client puts the number that rank 0 has given it in front of its numbers. The
// program of rank 0 has the number 0.

constexpr int object_number_bits = 40;
constexpr std::uint64_t most_clients = (std::uint64_t{1} << (64 - object_number_bits)) - 1;

/// Returns the id of the object that a client numbers so.
[[nodiscard]] constexpr ObjectId object_of_client(std::uint64_t client, std::uint64_t number) noexcept {
  return {client << object_number_bits | number};
}

/// Returns the number of the client that has given an object its id.
[[nodiscard]] constexpr std::uint64_t owner_of(ObjectId object) noexcept {
  return object.value >> object_number_bits;
}

}  // namespace joblib_mpi
