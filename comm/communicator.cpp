#include "comm/communicator.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <cstring>

#include "core/error.h"
#include "core/registry.h"

namespace metaloom {

void CommOptions::fields(Fields& f) {
  std::vector<std::string> backends = Registry<Communicator>::names();
  backends.insert(backends.begin(), "auto");
  f.choice("backend", backend, "auto: nccl where every rank has a GPU, else mpi, else local",
           backends);
  f.real("deadline", deadline, "seconds that any wait for other ranks, and any section, may last",
         {0.1, 1e7});
  f.flag("ordered", ordered, "sum packs in their order: bitwise equal at any number of ranks");
  f.integer("threads", threads, "per rank; 0: the rank's cores, at most OMP_NUM_THREADS",
            {0, 4096});
}

void Communicator::check_contiguous(const at::Tensor& data, const char* operation) {
  if (data.is_contiguous()) return;
  throw Error(Fault::internal, "the tensor is not contiguous", operation,
              "Pass data.contiguous() and copy the result back.");
}

void Communicator::check_reducible(const at::Tensor& data, const char* operation) {
  check_contiguous(data, operation);
  const at::ScalarType type = data.scalar_type();
  for (const at::ScalarType known : {at::kFloat, at::kDouble, at::kLong, at::kBFloat16}) {
    if (type == known) return;
  }
  throw Error(Fault::internal, fmt::format("cannot reduce {}", at::toString(type)), operation,
              "Pass fp32, fp64, int64 or bfloat16.");
}

void Communicator::check_parts(const at::Tensor& data, const char* operation) const {
  check_contiguous(data, operation);
  if (data.numel() % size() == 0) return;
  throw Error(Fault::internal,
              fmt::format("{} numbers for {} ranks have no equal parts", data.numel(), size()),
              operation, "Pad the tensor to a multiple of the ranks.");
}

at::Tensor Communicator::part(const at::Tensor& data) const {
  check_parts(data, "part");
  const std::int64_t each = data.numel() / size();
  return data.view({-1}).narrow(0, each * rank(), each);
}

namespace {

// Who holds which index: owner[i] for i in 0..count-1. All ranks get the same, or the same Error.
std::vector<int> owners(Communicator& comm,
                        const std::vector<std::pair<std::int64_t, at::Tensor>>& mine,
                        std::int64_t count) {
  std::string indices(mine.size() * sizeof(std::int64_t), '\0');
  for (std::size_t i = 0; i < mine.size(); ++i) {
    std::memcpy(indices.data() + i * sizeof(std::int64_t), &mine[i].first, sizeof(std::int64_t));
  }
  const auto all = comm.all_gather(indices);
  std::vector<int> owner(count, -1);
  for (int rank = 0; rank < comm.size(); ++rank) {
    for (std::size_t at = 0; at < all[rank].size(); at += sizeof(std::int64_t)) {
      std::int64_t index = 0;
      std::memcpy(&index, all[rank].data() + at, sizeof index);
      if (index < 0 || index >= count || owner[index] >= 0) {
        throw Error(Fault::internal,
                    fmt::format("rank {} holds contribution {}, which {}", rank, index,
                                index < 0 || index >= count
                                    ? fmt::format("is not below the count {}", count)
                                    : fmt::format("rank {} holds too", owner[index])),
                    "ordered_sum");
      }
      owner[index] = rank;
    }
  }
  for (std::int64_t index = 0; index < count; ++index) {
    if (owner[index] >= 0) continue;
    throw Error(Fault::internal, fmt::format("no rank holds contribution {}", index),
                "ordered_sum");
  }
  return owner;
}

}  // namespace

void Communicator::ordered_sum(const at::Tensor& sum,
                               const std::vector<std::pair<std::int64_t, at::Tensor>>& mine,
                               std::int64_t count) {
  const at::NoGradGuard no_grad;
  check_contiguous(sum, "ordered_sum");
  std::vector<const at::Tensor*> held(count, nullptr);
  for (const auto& [index, tensor] : mine) {
    if (index >= 0 && index < count) held[index] = &tensor;
    if (tensor.sizes() == sum.sizes() && tensor.scalar_type() == sum.scalar_type()) continue;
    throw Error(Fault::internal,
                fmt::format("contribution {} differs from the sum in shape or type", index),
                "ordered_sum");
  }
  // The running sum visits the owners in the order of the indices; a run of consecutive indices
  // of one owner is one visit.
  const std::vector<int> owner = owners(*this, mine, count);
  for (std::int64_t begin = 0, end = 0; begin < count; begin = end) {
    while (end < count && owner[end] == owner[begin]) {
      if (owner[begin] == rank()) sum.add_(*held[end]);
      ++end;
    }
    if (size() > 1) broadcast(sum, owner[begin]);
  }
}

Section::Section(Communicator& comm, std::string name, std::chrono::duration<double> deadline)
    : comm_(comm) {
  comm_.sections_.push_back({std::move(name), deadline});
  alive();
}

Section::Section(Communicator& comm, std::string name)
    : Section(comm, std::move(name),
              comm.sections_.empty() ? comm.deadline_ : comm.sections_.back().deadline) {}

Section::~Section() {
  comm_.sections_.pop_back();
  if (comm_.sections_.empty()) {
    comm_.announce("", comm_.deadline_);
  } else {
    alive();
  }
}

void Section::alive() const {
  const auto& doing = comm_.sections_.back();
  comm_.announce(doing.section, doing.deadline);
}

}  // namespace metaloom
