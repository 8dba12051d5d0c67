// How the process holds memory.
#pragma once

namespace metaloom {

/// Keeps what is freed for what is allocated next. A training step frees and allocates the same
/// large tensors over and over; giving each back to the system makes it fault in every page anew.
/// Does nothing where the C library is not glibc.
void keep_freed_memory();

}  // namespace metaloom
