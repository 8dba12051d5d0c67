#include "core/archive/archive.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "core/files/files.h"
#include "core/rng.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

Archive sample() {
  const Rng rng(1);
  Archive out;
  out.put("parameters/layer.0.weight", rng.normal_tensor({37, 11}, 1, at::kFloat));
  out.put("parameters/layer.0.bias", rng.normal_tensor({11}, 1, at::kDouble));
  out.put("parameters/half", rng.normal_tensor({5, 3, 2}, 1, at::kBFloat16));
  out.put("counts", at::tensor({1, -2, 3}, at::kLong));
  out.put("small", at::tensor({1, -2, 3}, at::kInt));
  out.put("bytes", at::tensor({0, 255}, at::kByte));
  out.put("flags", at::tensor({1, 0, 1}, at::kInt).to(at::kBool));
  out.put("scalar", at::scalar_tensor(2.5, at::kDouble));
  out.put("nothing", at::empty({0}, at::kFloat));
  out.put("no_rows", at::empty({0, 7}, at::kLong));
  out.put_text("meta", R"({"format": "tést"})");
  out.put_text("tokenizer/vocabulary", std::string("a\0b", 3));
  out.put_text("empty", "");
  return out;
}

void expect_equal(const Archive& a, const Archive& b) {
  EXPECT_EQ(a.texts(), b.texts());
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const auto& [path, value] : a.tensors()) {
    const at::Tensor other = b.get(path);
    EXPECT_EQ(value.scalar_type(), other.scalar_type()) << path;
    EXPECT_TRUE(at::equal(value, other)) << path;
  }
}

TEST(Archive, RoundTripIsExact) {
  expect_equal(sample(), Archive::parse(sample().image(), "sample"));
  expect_equal(Archive(), Archive::parse(Archive().image(), "nothing"));
}

TEST(Archive, NotANumberAndInfinitiesSurvive) {
  Archive archive;
  const double inf = std::numeric_limits<double>::infinity();
  archive.put("x", at::tensor({inf, -inf, std::nan("")}, at::kDouble));
  const auto back = Archive::parse(archive.image(), "x").get("x");
  EXPECT_TRUE(at::equal(back.isnan(), archive.get("x").isnan()));
  EXPECT_EQ(back[1].item<double>(), -inf);
}

TEST(Archive, EqualTreesGiveEqualBytes) {
  const auto image = sample().image();
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // times have whole seconds
  EXPECT_EQ(image, sample().image());
  EXPECT_EQ(image, Archive::parse(image, "sample").image());
}

TEST(Archive, LargeTensorsAreCutIntoChunks) {
  Archive archive;
  const auto wide = Rng(2).uniform_tensor({3, 1500000}, at::kFloat);  // a row is over a chunk
  const auto tall = Rng(3).uniform_tensor({2000001, 1}, at::kDouble);
  archive.put("wide", wide);
  archive.put("tall", tall);
  const auto image = archive.image();
  const std::size_t payload = wide.nbytes() + tall.nbytes();
  EXPECT_LT(image.size(), payload + payload / 100 + 100000);  // even cuts waste little
  expect_equal(archive, Archive::parse(image, "large"));
}

TEST(Archive, StridedAndGradientTensorsAreTakenAsValues) {
  Archive archive;
  const auto x = at::arange(12, at::kFloat).reshape({3, 4}).requires_grad_(true);
  archive.put("x", x.t());
  const auto back = Archive::parse(archive.image(), "x").get("x");
  EXPECT_TRUE(at::equal(back, x.t()));
  EXPECT_FALSE(back.requires_grad());
}

TEST(Archive, ParamsLieBelowTheirPrefix) {
  const Archive archive = sample();
  const Params params = archive.params("parameters");
  EXPECT_EQ(params.names(), (std::vector<std::string>{"half", "layer.0.bias", "layer.0.weight"}));
  Archive other;
  other.put_params("theta", params);
  EXPECT_EQ(other.params("theta").size(), 3u);
  EXPECT_TRUE(archive.params("param").empty());
  EXPECT_EQ(archive.children("tokenizer"), (std::vector<std::string>{"vocabulary"}));
  EXPECT_EQ(archive.children("").size(), 11u);
}

TEST(Archive, MissingItemsNameTheNearest) {
  const Archive archive = Archive::parse(sample().image(), "runs/x/model.h5");
  EXPECT_ERROR(archive.get("conts"), Fault::data, "runs/x/model.h5", "\"conts\"",
               "Did you mean \"counts\"?");
  EXPECT_ERROR(archive.text("metta"), Fault::data, "Did you mean \"meta\"?");
  EXPECT_ERROR(archive.text("counts"), Fault::data, "no text \"counts\"");
}

TEST(Archive, RefusesNamesThatCannotBe) {
  Archive archive;
  archive.put("a/b", at::ones({1}));
  for (const std::string path : {"", "/a", "a//b", "a/", "a/..", "."}) {
    EXPECT_ERROR(archive.put(path, at::ones({1})), Fault::internal, "cannot name an item");
  }
  EXPECT_ERROR(archive.put("a/b/c", at::ones({1})), Fault::internal, "inside another");
  EXPECT_ERROR(archive.put_text("a", ""), Fault::internal, "inside another");
  archive.put_text("a/b", "replaced");
  EXPECT_EQ(archive.text("a/b"), "replaced");
  EXPECT_TRUE(archive.tensors().empty());
}

TEST(Archive, RefusesNumbersTheFormatDoesNotHave) {
  Archive archive;
  archive.put("x", at::ones({2}, at::kHalf));
  EXPECT_ERROR(archive.image(), Fault::internal, "Half");
}

TEST(Archive, WhatIsNoArchiveIsAnErrorOfTheData) {
  const Scratch scratch;
  const auto file = scratch.path() / "x.h5";
  EXPECT_ERROR(Archive::load(file), Fault::data, "x.h5", "No such file");
  replace_file(file, "");
  EXPECT_ERROR(Archive::load(file), Fault::data, "x.h5", "not an HDF5 file");
  replace_file(file, std::string(5000, 'x'));
  EXPECT_ERROR(Archive::load(file), Fault::data, "x.h5", "not an HDF5 file");
  write_file(file, sample().image());
  expect_equal(sample(), Archive::load(file));
}

TEST(Archive, ManyThreadsTakeTurns) {
  std::vector<std::thread> threads;
  std::vector<int> good(4);
  for (std::size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        const auto image = sample().image();
        good[i] += Archive::parse(image, "sample").get("counts").numel() == 3;
        try {
          Archive::parse(std::span(image).first(image.size() / 2), "cut");
        } catch (const Error&) {
          ++good[i];
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, (std::vector<int>{40, 40, 40, 40}));
}

// Sanitizers reserve more than any limit, or end the process themselves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Archive, AnImageThatFindsNoMemoryBlamesNoFile) {
  Archive archive;
  archive.put("x", at::zeros({32 << 20}, at::kByte));
  const auto write_with_little_memory = [&] {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t most = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + (8 << 20);
    const rlimit limit = {most, most};
    ::setrlimit(RLIMIT_AS, &limit);
    try {
      archive.image();
    } catch (const Error& error) {
      std::fputs(error.what(), stderr);
      _exit(error.exit_code());
    }
    _exit(0);
  };
  EXPECT_EXIT(write_with_little_memory(),
              ::testing::ExitedWithCode(static_cast<int>(Fault::temporary)),
              "new archive: cannot .*not enough memory");
}
#endif

}  // namespace
}  // namespace metaloom
