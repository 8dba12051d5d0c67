// What the laws of every communicator share: a fixture that runs on each world that can be had.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "comm/communicator.h"
#include "core/error.h"
#include "tests/comm/worlds.h"

namespace metaloom {

class CommunicatorLaws : public testing::TestWithParam<WorldKind> {
 protected:
  void run(const std::function<void(Communicator&)>& rank_main) {
    run_world(GetParam(), rank_main);
  }
  at::TensorOptions on(const Communicator& comm, at::ScalarType type) const {
    return at::TensorOptions(type).device(data_device(GetParam(), comm));
  }
};

/// The bits of a tensor, as text that can be compared.
inline std::string bits(const at::Tensor& tensor) {
  const at::Tensor host = tensor.cpu().contiguous();
  return std::string(static_cast<const char*>(host.data_ptr()), host.nbytes());
}

inline void expect_fault(Fault fault, const std::function<void()>& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), fault) << error.what();
  }
}

}  // namespace metaloom
