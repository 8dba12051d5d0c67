#include "comm/gpus.h"

#include <fmt/format.h>
#if METALOOM_CUDA
#include <cuda_runtime_api.h>
#endif

#include <cstdlib>

#include "comm/world.h"
#include "core/error.h"
#include "core/json.h"

namespace metaloom {
namespace {

/// The device's own number, which no setting of visible devices changes.
std::string uuid_of([[maybe_unused]] at::Device device) {
  std::string uuid;
#if METALOOM_CUDA
  cudaDeviceProp properties;
  const cudaError_t code = cudaGetDeviceProperties(&properties, device.index());
  if (code != cudaSuccess) {
    throw Error(Fault::temporary, cudaGetErrorString(code), "cudaGetDeviceProperties",
                "Look at the GPU (nvidia-smi).");
  }
  for (const char byte : properties.uuid.bytes) {
    uuid += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  }
#endif
  return uuid;
}

std::vector<Json> parsed(const std::vector<std::string>& told) {
  std::vector<Json> all;
  all.reserve(told.size());
  for (const std::string& text : told) all.push_back(parse_json(text, "device of a rank"));
  return all;
}

}  // namespace

std::string describe_gpu(const Place& place) {
  Json out = {{"host", place.host}, {"device", -1}, {"uuid", ""}, {"host_id", ""}, {"why", ""}};
  if (const char* id = std::getenv("NCCL_HOSTID")) out["host_id"] = id;
  try {
    const at::Device device = rank_device(place);
    if (device.is_cuda()) {
      out["uuid"] = uuid_of(device);
      out["device"] = static_cast<int>(device.index());
    } else {
      out["why"] = "no GPU is visible";
    }
  } catch (const Error& error) {
    out["why"] = error.what();
  }
  return out.dump();
}

std::string missing_gpu(const std::vector<std::string>& told) {
  const std::vector<Json> all = parsed(told);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i]["device"] != -1) continue;
    return fmt::format("rank {} on {}: {}", i, all[i]["host"].get<std::string>(),
                       all[i]["why"].get<std::string>());
  }
  return "";
}

std::string shared_gpu(const std::vector<std::string>& told) {
  const std::vector<Json> all = parsed(told);
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (all[i]["device"] == -1 || all[i]["uuid"] != all[j]["uuid"]) continue;
      // Ranks with host ids of their own pass for ranks of different nodes: a way to test.
      const auto mine = all[i]["host_id"].get<std::string>();
      const auto other = all[j]["host_id"].get<std::string>();
      if (!mine.empty() && !other.empty() && mine != other) continue;
      return fmt::format("ranks {} and {} share GPU {} of {}", j, i, all[i]["device"].get<int>(),
                         all[i]["host"].get<std::string>());
    }
  }
  return "";
}

}  // namespace metaloom
