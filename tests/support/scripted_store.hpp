#pragma once

#include "store/object_store.hpp"

#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace joblib_mpi::test {

/// A store that records what it is asked for. Its objects become complete when the test says so.
class ScriptedStore final : public ObjectStore {
 public:
  void arrives(ObjectId object, Payload value) {
    if (!expected.contains(object)) throw std::logic_error("the object was not announced");
    whole_[object] = std::make_shared<const Payload>(std::move(value));
  }

  void publish(ObjectId object, Payload value) override {
    if (broadcasts_ended) throw std::logic_error("published after the end of broadcasts");
    whole_[object] = std::make_shared<const Payload>(value);
    published.emplace_back(object, std::move(value));
  }
  void expect(ObjectId object, std::span<const std::uint64_t> part_bytes) override {
    if (broadcasts_ended) throw std::logic_error("announced after the end of broadcasts");
    if (!expected.try_emplace(object, part_bytes.begin(), part_bytes.end()).second) {
      throw std::logic_error("the object was announced twice");
    }
  }
  void put(ObjectId object, Payload value) override {
    whole_[object] = std::make_shared<const Payload>(std::move(value));
    put_objects.push_back(object);
  }
  void refuse(ObjectId object, std::string reason) override { refusals[object] = std::move(reason); }
  [[nodiscard]] std::vector<ObjectId> end_broadcasts() override {
    if (std::exchange(broadcasts_ended, true)) throw std::logic_error("the broadcasts were ended twice");
    std::vector<ObjectId> missing;
    for (const auto& [object, part_bytes] : expected) {
      if (!whole_.contains(object)) missing.push_back(object);
    }
    return missing;
  }
  [[nodiscard]] std::shared_ptr<const Payload> find(ObjectId object) const override {
    const auto found = whole_.find(object);
    return found == whole_.end() ? nullptr : found->second;
  }
  void drop(ObjectId object) override {
    whole_.erase(object);
    dropped.push_back(object);
  }
  [[nodiscard]] std::optional<std::string> refusal(ObjectId object) const override {
    const auto found = refusals.find(object);
    return found == refusals.end() ? std::nullopt : std::optional(found->second);
  }
  [[nodiscard]] std::vector<ObjectId> settled_objects() const override {
    std::vector<ObjectId> settled;
    for (const auto& [object, value] : whole_) settled.push_back(object);
    for (const auto& [object, reason] : refusals) settled.push_back(object);
    return settled;
  }
  bool progress() override { return false; }
  [[nodiscard]] ObjectStats stats() const override { return {.objects = whole_.size()}; }

  std::vector<std::pair<ObjectId, Payload>> published;
  std::map<ObjectId, std::vector<std::uint64_t>> expected;
  std::map<ObjectId, std::string> refusals;
  std::vector<ObjectId> dropped;
  std::vector<ObjectId> put_objects;
  bool broadcasts_ended = false;

 private:
  std::map<ObjectId, std::shared_ptr<const Payload>> whole_;
};

}  // namespace joblib_mpi::test
