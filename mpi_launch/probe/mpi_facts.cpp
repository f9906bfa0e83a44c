#include "mpi/mpi_failures.hpp"
#include "probe/rank_facts.hpp"

#include <mpi.h>

#include <array>
#include <dlfcn.h>
#include <filesystem>
#include <optional>
#include <system_error>
#include <vector>

#if __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

namespace joblib_mpi::launch {
namespace {

constexpr bool library_has_ulfm =
#if defined(OMPI_HAVE_MPI_EXT_FTMPI) && OMPI_HAVE_MPI_EXT_FTMPI
    true;
#else
    false;
#endif

/// Returns the name and version of the MPI library: the part of its version text, such as "Open MPI v4.1.4, package:
/// …", before the first comma or line end.
std::string library_name() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string whole = text.data();
  return whole.substr(0, whole.find_first_of(",\n"));
}

std::string library_file() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<const void*>(&MPI_Get_library_version), &info) == 0) return {};
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : file.string();
}

std::string thread_level_name() {
  int level = MPI_THREAD_SINGLE;
  MPI_Query_thread(&level);
  if (level == MPI_THREAD_SINGLE) return "MPI_THREAD_SINGLE";
  if (level == MPI_THREAD_FUNNELED) return "MPI_THREAD_FUNNELED";
  if (level == MPI_THREAD_SERIALIZED) return "MPI_THREAD_SERIALIZED";
  return "MPI_THREAD_MULTIPLE";
}

/// Returns the bytes of an MPI control variable; nothing if the library has no variable of this name or cannot read it.
std::optional<std::vector<char>> read_control(const char* name) {
  int index = 0;
  if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS) return std::nullopt;
  MPI_T_cvar_handle handle = MPI_T_CVAR_HANDLE_NULL;
  int count = 0;
  if (MPI_T_cvar_handle_alloc(index, nullptr, &handle, &count) != MPI_SUCCESS) return std::nullopt;
  // `count` is in characters for a text and in values for numbers and truth values, which take at most 8 bytes each.
  std::vector<char> bytes(8 * static_cast<std::size_t>(count) + 8);
  const int code = MPI_T_cvar_read(handle, bytes.data());
  MPI_T_cvar_handle_free(&handle);
  if (code != MPI_SUCCESS) return std::nullopt;
  return bytes;
}

/// Returns the name of Open MPI's message layer; empty if it is unknown. A layer's control variables exist only if it
/// is in use.
std::string message_layer() {
  for (const char* layer : {"ob1", "cm", "ucx"}) {
    int index = 0;
    const std::string setting = std::string("pml_") + layer + "_priority";
    if (MPI_T_cvar_get_index(setting.c_str(), &index) == MPI_SUCCESS) return layer;
  }
  return {};
}

}  // namespace

MpiFacts mpi_facts() {
  MpiFacts facts;
  facts.library = library_name();
  facts.file = library_file();
  facts.thread_level = thread_level_name();
  facts.can_ulfm = library_has_ulfm;
  facts.ulfm = mpi_tells_of_dead_ranks();
  int level = 0;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &level) != MPI_SUCCESS) return facts;
  facts.layer = message_layer();
  if (const auto yields = read_control("mpi_yield_when_idle")) {
    facts.tells = true;
    facts.yields = yields->front() != 0;
  }
  if (const auto limited = read_control("btl_tcp_if_include")) facts.tcp_interfaces = limited->data();
  MPI_T_finalize();
  return facts;
}

}  // namespace joblib_mpi::launch
