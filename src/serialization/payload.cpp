#include <joblib_mpi/detail/payload.hpp>

template class std::vector<std::byte, joblib_mpi::detail::UninitializedAllocator<std::byte>>;
