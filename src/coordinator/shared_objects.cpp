#include "coordinator/shared_objects.hpp"

#include "protocol/messages.hpp"

#include <algorithm>
#include <utility>

namespace joblib_mpi {

ObjectId SharedObjects::share(Payload value, ObjectId id) {
  value.share_long_head();
  const auto& [object, added] = table_.add(std::move(value), id);
  if (broadcasts_ended_) {
    outbox_->tell_all(to_worker::ObjectContent{object, added});
    return object;
  }
  to_worker::ShareObject announcement{object, {added.packed().size()}};
  for (const SharedBytes& part : added.parts) announcement.part_bytes.push_back(part.size());
  outbox_->tell_all(announcement);
  return object;
}

void SharedObjects::drop(ObjectId object) {
  if (table_.drop(object)) outbox_->tell_all(to_worker::DropObject{object});
}

void SharedObjects::release(ObjectId object) {
  if (table_.release(object)) outbox_->tell_all(to_worker::DropObject{object});
}

void SharedObjects::end_broadcasts() {
  if (std::exchange(broadcasts_ended_, true)) return;
  (void)store_->end_broadcasts();
  outbox_->tell_all(to_worker::BroadcastsEnded{});
}

void SharedObjects::send(WorkerId worker, const std::vector<ObjectId>& objects) {
  for (const ObjectId object : objects) {
    const auto value = store_->find(object);
    // A missing value means that the object has been dropped.
    if (value) outbox_->tell(worker, to_worker::ObjectContent{object, *value});
  }
}

void SharedObjects::bring_up_to_date(WorkerId worker, const std::vector<ObjectId>& settled) {
  for (const ObjectId object : settled) {
    if (!table_.contains(object)) outbox_->tell(worker, to_worker::DropObject{object});
  }
  update_store();
  std::vector<ObjectId> lacking = table_.all();
  std::erase_if(lacking, [&](ObjectId object) { return std::ranges::find(settled, object) != settled.end(); });
  send(worker, lacking);
}

}  // namespace joblib_mpi
