#include "coordinator/object_table.hpp"

namespace joblib_mpi {

const ObjectTable::NewObject& ObjectTable::add(Payload value, ObjectId id) {
  const ObjectId object = id == ObjectId{} ? ObjectId{++added_} : id;
  objects_.emplace(object, Uses{});
  new_.push_back({object, std::move(value)});
  return new_.back();
}

bool ObjectTable::release(ObjectId object) {
  Uses& uses = objects_.at(object);
  --uses.users;
  return remove_if_unused(object, uses);
}

bool ObjectTable::drop(ObjectId object) {
  Uses& uses = objects_.at(object);
  uses.dropped = true;
  return remove_if_unused(object, uses);
}

bool ObjectTable::remove_if_unused(ObjectId object, const Uses& uses) {
  if (!uses.dropped || uses.users > 0) return false;
  unused_.push_back(object);
  objects_.erase(object);
  return true;
}

std::vector<ObjectId> ObjectTable::all() const {
  std::vector<ObjectId> objects;
  objects.reserve(objects_.size());
  for (const auto& [object, uses] : objects_) objects.push_back(object);
  return objects;
}

void ObjectTable::update_store(bool by_broadcast) {
  for (NewObject& object : new_) {
    by_broadcast ? store_->publish(object.id, std::move(object.value))
                 : store_->put(object.id, std::move(object.value));
  }
  new_.clear();
  for (const ObjectId object : unused_) store_->drop(object);
  unused_.clear();
}

ObjectStats ObjectTable::stats() const {
  ObjectStats stats = store_->stats();
  for (const NewObject& object : new_) {
    ++stats.objects;
    ++stats.transfers;
    stats.object_bytes += object.value.size_bytes();
  }
  return stats;
}

}  // namespace joblib_mpi
