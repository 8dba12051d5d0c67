// Damaged and hostile images: an Error{data} or the right content, never a crash, a hang, a
// large allocation or wrong numbers.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/archive/archive.h"
#include "core/files/files.h"
#include "core/rng.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

using Image = std::vector<std::byte>;

Archive sample() {
  const Rng rng(1);
  Archive out;
  for (int layer = 0; layer < 12; ++layer) {
    const std::string name = "parameters/layer." + std::to_string(layer);
    out.put(name + ".weight", rng.at({layer}).normal_tensor({24, 16}, 1, at::kFloat));
    out.put(name + ".bias", rng.at({layer, 1}).normal_tensor({16}, 1, at::kBFloat16));
  }
  out.put("step", at::scalar_tensor(17, at::kLong));
  out.put("mask", at::ones({9}, at::kBool));
  out.put_text("meta", std::string(300, 'm'));
  return out;
}

bool same(const Archive& a, const Archive& b) {
  if (a.texts() != b.texts() || a.tensors().size() != b.tensors().size()) return false;
  for (const auto& [path, value] : a.tensors()) {
    const auto it = b.tensors().find(path);
    if (it == b.tensors().end() || !it->second.sizes().equals(value.sizes()) ||
        it->second.scalar_type() != value.scalar_type() || !at::equal(value, it->second)) {
      return false;
    }
  }
  return true;
}

enum class Outcome { refused, intact, wrong };

Outcome outcome(const Image& damaged, const Archive& whole) {
  try {
    return same(Archive::parse(damaged, "damaged"), whole) ? Outcome::intact : Outcome::wrong;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault(), Fault::data) << error.what();
    return Outcome::refused;
  }
}

TEST(ArchiveDamage, FlippedBitsNeverGiveWrongContent) {
  const Archive whole = sample();
  const Image image = whole.image();
  const Rng rng(2, "flips");
  int refused = 0;
  constexpr int kTrials = 2000;
  for (int trial = 0; trial < kTrials; ++trial) {
    Image damaged = image;
    const auto at = static_cast<std::size_t>(rng.below(2 * trial, image.size()));
    damaged[at] ^= std::byte(1 << rng.below(2 * trial + 1, 8));
    const Outcome what = outcome(damaged, whole);
    EXPECT_NE(what, Outcome::wrong) << "byte " << at;
    refused += what == Outcome::refused;
  }
  RecordProperty("refused", refused);
  EXPECT_GT(refused, kTrials / 4);  // the others hit bytes that hold nothing
}

TEST(ArchiveDamage, EveryByteOfASmallImage) {
  Archive whole;
  whole.put("a/x", at::arange(6, at::kFloat));
  whole.put_text("a/t", "text");
  whole.put("b", at::scalar_tensor(1, at::kInt));
  const Image image = whole.image();
  for (std::size_t at = 0; at < image.size(); ++at) {
    for (const int mask : {0x01, 0x80, 0xff}) {
      Image damaged = image;
      damaged[at] ^= std::byte(mask);
      EXPECT_NE(outcome(damaged, whole), Outcome::wrong) << "byte " << at << " ^ " << mask;
    }
  }
}

TEST(ArchiveDamage, OverwrittenBlocks) {
  const Archive whole = sample();
  const Image image = whole.image();
  const Rng rng(3, "blocks");
  for (int trial = 0; trial < 500; ++trial) {
    Image damaged = image;
    const Rng here = rng.at({trial});
    const auto at = static_cast<std::size_t>(here.below(0, image.size()));
    const auto size = std::min<std::size_t>(1 + here.below(1, 64), image.size() - at);
    for (std::size_t i = 0; i < size; ++i) {
      damaged[at + i] = trial % 2 == 0 ? std::byte(0) : std::byte(here.below(2 + i, 256));
    }
    EXPECT_NE(outcome(damaged, whole), Outcome::wrong) << "at " << at << " size " << size;
  }
}

TEST(ArchiveDamage, CutShort) {
  const Archive whole = sample();
  const Image image = whole.image();
  const Rng rng(4, "cuts");
  for (int trial = 0; trial < 300; ++trial) {
    const Image cut(image.begin(), image.begin() + rng.below(trial, image.size()));
    EXPECT_EQ(outcome(cut, whole), Outcome::refused) << cut.size() << " bytes";
  }
}

TEST(ArchiveDamage, LayoutsOfDamagedFiles) {
  const Scratch scratch = Scratch::in_memory();
  const auto file = scratch.path() / "x.h5";
  Archive texts;  // no places: those need another writer (tests of the token store)
  texts.put_text("meta", std::string(300, 'm'));
  texts.put_text("train/name", "n");
  const Image image = texts.image();
  const Rng rng(5, "layouts");
  for (int trial = 0; trial < 500; ++trial) {
    Image damaged = image;
    damaged[static_cast<std::size_t>(rng.below(2 * trial, image.size()))] ^=
        std::byte(1 + rng.below(2 * trial + 1, 255));
    if (trial % 5 == 0) damaged.resize(static_cast<std::size_t>(rng.below(trial, image.size())));
    write_file(file, damaged);
    try {
      EXPECT_EQ(read_layout(file).texts, texts.texts());
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::data) << error.what();
    }
  }
}

}  // namespace
}  // namespace metaloom
