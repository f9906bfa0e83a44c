// For LD_PRELOAD: reports success when Slurm's daemons set their supplementary groups, which the kernel forbids to the
// root user of a namespace that an ordinary user has made.

#include <grp.h>

#include <cstddef>
#include <sys/types.h>

extern "C" int setgroups(std::size_t, const gid_t*) noexcept {
  return 0;
}

extern "C" int initgroups(const char*, gid_t) {
  return 0;
}
