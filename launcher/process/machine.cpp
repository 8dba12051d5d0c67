#include "launcher/process/machine.h"

namespace metaloom {

// Never destroyed: the world that main leaves behind after an error still waits by its clock.

Clock& own_clock() {
  static SystemClock& clock = *new SystemClock;
  return clock;
}

Disk& own_disk() {
  static SystemDisk& disk = *new SystemDisk;
  return disk;
}

}  // namespace metaloom
