// One test by this machine's clock and in virtual time. The former has real threads, whose races
// the sanitizers see; the latter is exact.
#pragma once

#include "tests/core/this_machine.h"
#include "tests/core/virtual_time.h"

namespace metaloom {

/// Runs `test` by each clock.
template <class Test>
void by_each_clock(const Test& test) {
  test(this_clock);
  VirtualTime time;
  time.run([&] { test(time); });
}

}  // namespace metaloom
