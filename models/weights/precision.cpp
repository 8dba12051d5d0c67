#include "models/weights/precision.h"

#include <ATen/ATen.h>
#include <ATen/cpu/Utils.h>

namespace metaloom {

at::Tensor at_least_single(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf ? x.to(at::kFloat) : x;
}

std::string why_no_bf16_products() {
  const auto capabilities = at::cpu::get_cpu_capabilities();
  for (const char* const unit : {"amx_bf16", "avx512_bf16"}) {
    const auto found = capabilities.find(unit);
    if (found != capabilities.end() && found->second.isBool() && found->second.toBool()) return "";
  }
  return "this processor has neither AMX nor AVX512_BF16";
}

}  // namespace metaloom
