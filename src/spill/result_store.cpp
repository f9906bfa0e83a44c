#include "spill/result_store.hpp"

#include "files/guarded_folder.hpp"
#include "spill/result_file.hpp"
#include "spill/result_spiller.hpp"
#include <joblib_mpi/error.hpp>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <linux/magic.h>
#include <set>
#include <sys/statfs.h>
#include <system_error>
#include <unistd.h>

namespace joblib_mpi {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t default_threshold_bytes = 64'000'000;

template <class T>
T first_of(const std::optional<T>& asked, const std::optional<T>& configured, T otherwise) {
  return asked ? *asked : configured.value_or(std::move(otherwise));
}

/// Returns whether files can be made in the folder, and not in memory (tmpfs), which they would use up.
bool is_usable(const std::string& folder) {
  struct statfs system {};
  return statfs(folder.c_str(), &system) == 0 && system.f_type != TMPFS_MAGIC &&
         access(folder.c_str(), W_OK | X_OK) == 0;
}

}  // namespace

std::string default_spill_folder(bool one_node) {
  if (!one_node) return ".";
  const char* const temporary = std::getenv("TMPDIR");
  for (const std::string folder : {temporary == nullptr ? "" : temporary, "/tmp", "/var/tmp"}) {
    if (is_usable(folder)) return folder;
  }
  return ".";
}

ResultStore::ResultStore(Options options) : options_(std::move(options)) {}

void ResultStore::start_call(CallId id, const SpillOptions& asked) {
  const SpillOptions& defaults = options_.defaults;
  Call call;
  call.limits.threshold_bytes = first_of(asked.threshold_bytes, defaults.threshold_bytes, default_threshold_bytes);
  call.limits.memory_budget_bytes =
      first_of(asked.memory_budget_bytes, defaults.memory_budget_bytes, options_.memory_budget_bytes);
  call.keep = first_of(asked.keep, defaults.keep, false);
  std::string compression = first_of(asked.compression, defaults.compression, std::string());
  if (compression == "none") compression.clear();
  options_.format->require_compression(compression);
  const std::string parent = first_of(asked.folder, defaults.folder, std::string());
  call.parent = parent.empty() ? default_spill_folder(options_.one_node) : parent;
  if (parent.empty() && !call.keep && no_default_folder_) {
    calls_.emplace(id, std::move(call));
    return;
  }
  try {
    Folder& folder = folder_in(call.parent);
    if (!folder.made) parent.empty() ? require_permission_to_spill(call.parent) : require_spilling_to_work(call.parent);
    if (call.keep) folder.keep = true;
    if (folder.made && folder.keep) folder.made->keep();
    call.place = place_at(
        folder.made ? SpillPlace{folder.made->path().string(), folder.made->token().string(), std::move(compression)}
                    : SpillPlace{call.parent, "", std::move(compression)});
  } catch (const std::exception& error) {
    if (!parent.empty() || call.keep) throw SpillError(error.what());
    no_default_folder_ = true;
    std::fprintf(stderr, "joblib_mpi: all results go through rank 0's memory: %s\n", error.what());
  }
  calls_.emplace(id, std::move(call));
}

ResultStore::Folder& ResultStore::folder_in(const std::string& parent) {
  Folder& folder = folders_[parent];
  std::error_code ignored;
  // It may have been deleted since the last call.
  if (folder.made && !fs::exists(folder.made->token(), ignored)) folder.made.reset();
  return folder;
}

std::shared_ptr<const SpillPlace> ResultStore::make_folder(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end() || !found->second.place) return std::make_shared<const SpillPlace>();
  const auto asked = found->second.place;
  if (!asked->has_to_be_made()) return asked;
  SpillPlace made = *asked;
  try {
    Folder& folder = folders_[found->second.parent];
    if (!folder.made) folder.made = std::make_unique<SpillFolder>(found->second.parent);
    if (folder.keep) folder.made->keep();
    made.folder = folder.made->path().string();
    made.token = folder.made->token().string();
  } catch (const std::exception& error) {
    made.refusal = error.what();
  }
  const auto place = place_at(std::move(made));
  for (auto& [other, call] : calls_) {
    if (call.place == asked) call.place = place;
  }
  return place;
}

std::shared_ptr<const SpillPlace> ResultStore::place_at(SpillPlace wanted) {
  for (const auto& place : places_) {
    if (*place == wanted) return place;
  }
  return places_.emplace_back(std::make_shared<const SpillPlace>(std::move(wanted)));
}

Payload ResultStore::open(CallId id, std::uint64_t index, ByteView encoded) {
  const ResultHandle handle = decode_result_handle(encoded);
  Call& call = calls_.at(id);
  call.has_spilled = true;
  Payload result = open_result(handle, *options_.format);
  if (result.size_bytes() <= call.limits.threshold_bytes) policy_.spilled_for_memory();
  if (call.keep) {
    call.kept.push_back({index, fs::path(handle.path).filename().string(), main_dataset(result.parts.size())});
  } else {
    discard(encoded);
  }
  return result;
}

void ResultStore::discard(ByteView encoded) noexcept {
  try {
    std::error_code ignored;
    fs::remove(decode_result_handle(encoded).path, ignored);
  } catch (const std::exception&) {  // the whole folder will be removed anyway
  }
}

void ResultStore::end_call(CallId id) {
  const auto found = calls_.find(id);
  if (found == calls_.end()) return;
  const Call& call = found->second;
  if (call.has_spilled) {
    const std::string folder = call_folder(call.place->folder, id);
    std::error_code ignored;
    call.keep ? write_index(call, folder) : (void)fs::remove_all(folder, ignored);
  }
  calls_.erase(found);
}

void ResultStore::write_index(const Call& call, const std::string& folder) const noexcept {
  try {
    std::set<std::string> wanted;
    for (const IndexEntry& entry : call.kept) wanted.insert(entry.file);
    // Removes the files of attempts that were given up.
    const GuardedFolder results(folder, Guard::own);
    for (const std::string& file : results.names()) {
      if (!wanted.contains(file)) results.remove(file);
    }
    const Bytes index = options_.format->index(call.kept);
    DurableFile file = results.create("index.h5");
    file.write_at(0, index);
    file.close();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "joblib_mpi: no index could be written for the results in \"%s\": %s\n", folder.c_str(),
                 error.what());
  }
}

}  // namespace joblib_mpi
