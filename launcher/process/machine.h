// The machine of this process, as the values that are handed to the layers below: its clock and its
// disk. The program makes them here, once.
#pragma once

#include "core/clock.h"
#include "core/files/disk.h"

namespace metaloom {

Clock& own_clock();
Disk& own_disk();

}  // namespace metaloom
