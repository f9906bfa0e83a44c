#include "segments/wake_page.hpp"

#include <new>
#include <utility>

namespace joblib_mpi {

WakePage::WakePage(const Descriptor& file)
    : mapping_(file, sizeof(WakeFlag), Access::writable),
      flag_(std::launder(reinterpret_cast<WakeFlag*>(mapping_.bytes().data()))) {}

OwnWakePage::OwnWakePage() : OwnWakePage(make_memory_file(sizeof(WakeFlag))) {
  ::new (&flag()) WakeFlag;
}

OwnWakePage::OwnWakePage(Descriptor file) : file_(std::move(file)), page_(file_) {}

}  // namespace joblib_mpi
