// The clock and the disk of this machine, for tests that need no others.
#pragma once

#include "core/clock.h"
#include "core/files/disk.h"

namespace metaloom {

inline SystemClock this_clock;
inline SystemDisk this_disk;

}  // namespace metaloom
