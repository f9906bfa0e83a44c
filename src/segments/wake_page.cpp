#include "segments/wake_page.hpp"

#include <new>
#include <utility>

namespace joblib_mpi {

WakePage::WakePage(const Descriptor& file)
    : mapping_(file, sizeof(RankPage), Access::writable),
      page_(std::launder(reinterpret_cast<RankPage*>(mapping_.bytes().data()))) {}

OwnWakePage::OwnWakePage() : OwnWakePage(make_memory_file(sizeof(RankPage))) {
  ::new (&flag()) RankPage;
}

OwnWakePage::OwnWakePage(Descriptor file) : file_(std::move(file)), page_(file_) {}

}  // namespace joblib_mpi
