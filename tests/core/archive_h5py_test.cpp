// The Python side writes and reads the same files with h5py: both directions, and what a
// contiguous token store looks like from here.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "core/archive/archive.h"
#include "core/files/files.h"
#include "core/rng.h"
#include "tests/core/expect_error.h"
#include "tests/core/scratch.h"

namespace metaloom {
namespace {

namespace fs = std::filesystem;

class ArchiveH5py : public testing::Test {
 protected:
  void SetUp() override {
    const char* python = std::getenv("METALOOM_PYTHON");
    python_ = python != nullptr ? python : "python3";
    if (std::system((python_ + " -c 'import h5py' 2> /dev/null").c_str()) != 0) {
      GTEST_SKIP() << "no h5py in " << python_ << " (METALOOM_PYTHON)";
    }
  }

  // Runs a script that finds the file as `path`, h5py and numpy imported.
  int run(const std::string& script) const {
    const fs::path source = scratch_.path() / "script.py";
    std::ofstream(source) << "import h5py, numpy as np\npath = '" << file().string() << "'\n"
                          << script;
    return std::system((python_ + " " + source.string()).c_str());
  }

  fs::path file() const { return scratch_.path() / "x.h5"; }

 private:
  std::string python_;
  Scratch scratch_;
};

TEST_F(ArchiveH5py, ReadsOurs) {
  Archive archive;
  archive.put("parameters/w", at::arange(6, at::kFloat).reshape({2, 3}));
  archive.put("parameters/h", at::tensor({1.5, -2.0}).to(at::kBFloat16));
  archive.put("flags", at::tensor({1, 0}).to(at::kBool));
  archive.put("scalar", at::scalar_tensor(7, at::kLong));
  archive.put("none", at::empty({0, 3}, at::kInt));
  archive.put_text("meta", "{\"a\": \"é\"}");
  write_file(file(), archive.image());
  EXPECT_EQ(run(R"(
f = h5py.File(path, 'r')
assert (f['parameters/w'][...] == np.arange(6, dtype='f4').reshape(2, 3)).all()
assert f['parameters/w'].fletcher32 and f['parameters/w'].chunks == (2, 3)
assert f['parameters/h'].dtype == np.uint16 and f['parameters/h'].attrs['dtype'] in ('bfloat16', b'bfloat16')
assert (f['parameters/h'][...] == [0x3fc0, 0xc000]).all()
assert f['flags'].attrs['dtype'] in ('bool', b'bool') and f['flags'][...].tolist() == [1, 0]
assert f['scalar'][()] == 7 and f['none'].shape == (0, 3)
assert f['meta'].attrs['text'] == 1 and f['meta'][...].tobytes().decode() == '{"a": "é"}'
)"),
            0);
}

TEST_F(ArchiveH5py, IsReadByUs) {
  ASSERT_EQ(run(R"(
with h5py.File(path, 'w', libver=('v110', 'v110')) as f:
    f.create_dataset('parameters/w', data=np.arange(6, dtype='f4').reshape(2, 3), chunks=(2, 3), fletcher32=True)
    f.create_dataset('h', data=np.array([0x3fc0, 0xc000], 'u2')).attrs['dtype'] = np.bytes_('bfloat16')
    f.create_dataset('flags', data=np.array([2, 0], 'u1')).attrs['dtype'] = np.bytes_('bool')
    for i in range(20): f['dense/%d' % i] = i  # links in a heap
    f['scalar'] = np.int64(7)
    f.create_dataset('meta', data=np.frombuffer('é'.encode(), 'u1')).attrs['text'] = 1
    f.create_dataset('empty', data=np.zeros(0, 'u1')).attrs['text'] = 1
)"),
            0);
  const Archive archive = Archive::load(file());
  EXPECT_TRUE(at::equal(archive.get("parameters/w"), at::arange(6, at::kFloat).reshape({2, 3})));
  EXPECT_TRUE(at::equal(archive.get("h"), at::tensor({1.5, -2.0}).to(at::kBFloat16)));
  EXPECT_EQ(archive.get("dense/19").item<std::int64_t>(), 19);
  EXPECT_TRUE(at::equal(archive.get("flags"), at::tensor({1, 0}).to(at::kBool)));
  EXPECT_EQ(archive.get("scalar").item<std::int64_t>(), 7);
  EXPECT_EQ(archive.text("meta"), "é");
  EXPECT_EQ(archive.text("empty"), "");
}

TEST_F(ArchiveH5py, WhatTheFormatDoesNotHaveIsRefused) {
  const auto refused = [&](const std::string& script, const std::string& piece) {
    ASSERT_EQ(run("with h5py.File(path, 'w', libver='v110') as f:\n    " + script + "\n"), 0);
    EXPECT_ERROR(Archive::load(file()), Fault::data, "x.h5", piece);
  };
  refused("f['a'] = np.zeros(3, 'f2')", "\"a\" has a number type");
  refused("f['a'] = np.zeros(3, '>f4')", "\"a\" has a number type");
  refused("f['a'] = 'a string'", "\"a\" has a number type");
  refused("f.create_dataset('a', data=np.zeros(9), compression='gzip')", "\"a\" is compressed");
  refused("f['a'] = h5py.SoftLink('/b')", "\"a\" is a link");
  refused("f['a'] = h5py.ExternalLink('/etc/passwd', '/b')", "\"a\" is a link");
  refused("f['a'] = np.zeros(3); f['b'] = f['a']", "more than one name");
  refused("f.create_group('g'); f['g/loop'] = f['g']", "more than one name");
  refused("f.create_dataset('a', (1000000000000,), 'f4', chunks=(1000,))", "larger than the file");
  refused("f.create_dataset('a', data=h5py.Empty('f4'))", "\"a\" has no shape");
  refused("f.create_dataset('a', (4,), 'f4', external=[('/dev/zero', 0, 16)])", "other files");
  refused("f['a'] = np.zeros(3, 'f4'); f['a'].attrs['dtype'] = np.bytes_('bool')", "number type");
  refused("f['a'] = np.zeros(3, 'u1'); f['a'].attrs['dtype'] = 'bool'", "no text of fixed length");
  refused("f['/'.join('g' * 50)] = 1.0", "nested too deeply");
  refused("f['t'] = np.zeros(3, 'f4'); f['t'].attrs['text'] = 1", "not bytes");
}

TEST_F(ArchiveH5py, FilesWithoutChecksumsAreRefused) {
  ASSERT_EQ(run("with h5py.File(path, 'w', libver='earliest') as f: f['a'] = 1.0"), 0);
  EXPECT_ERROR(Archive::load(file()), Fault::data, "older format", "libver=\"v110\"");
  EXPECT_ERROR(read_layout(file()), Fault::data, "older format", "libver=\"v110\"");
}

// Other writers keep the links of a large group in a heap of its own; images are otherwise ours.
TEST_F(ArchiveH5py, DamageInTheHeapsOfOtherWritersIsRefused) {
  ASSERT_EQ(run(R"(
with h5py.File(path, 'w', libver='v110') as f:
    for i in range(24): f.create_dataset('g/layer.%d' % i, data=np.full((16, 8), i, 'f4'), chunks=(16, 8), fletcher32=True)
)"),
            0);
  const auto image = read_bytes(file());
  const Archive whole = Archive::parse(image, "whole");
  const Rng rng(6, "heaps");
  int refused = 0;
  for (int trial = 0; trial < 1000; ++trial) {
    auto damaged = image;
    damaged[static_cast<std::size_t>(rng.below(2 * trial, image.size()))] ^=
        std::byte(1 + rng.below(2 * trial + 1, 255));
    try {
      const Archive archive = Archive::parse(damaged, "damaged");
      for (const auto& [path, value] : whole.tensors()) {
        EXPECT_TRUE(at::equal(value, archive.get(path))) << trial << ' ' << path;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.fault(), Fault::data) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST_F(ArchiveH5py, LayoutTellsWherePlacesLie) {
  ASSERT_EQ(run(R"(
with h5py.File(path, 'w', libver='v110', alignment_threshold=1, alignment_interval=64) as f:
    f.create_dataset('train/tokens', data=np.arange(7, dtype='i4'))
    f.create_dataset('train/offsets', data=np.array([0, 3, 7], 'i8'))
    f.create_dataset('test/tokens', data=np.zeros(0, 'i4'))
    f.create_dataset('meta', data=np.frombuffer(b'{}', 'u1')).attrs['text'] = 1
)"),
            0);
  const Layout layout = read_layout(file());
  const auto bytes = read_bytes(file());
  ASSERT_EQ(layout.places.size(), 3u);
  const Extent tokens = layout.places.at("train/tokens");
  EXPECT_EQ(tokens.count, 7);
  EXPECT_EQ(tokens.bytes_each, 4);
  EXPECT_EQ(reinterpret_cast<const std::int32_t*>(bytes.data() + tokens.offset)[6], 6);
  const Extent offsets = layout.places.at("train/offsets");
  EXPECT_EQ(reinterpret_cast<const std::int64_t*>(bytes.data() + offsets.offset)[2], 7);
  EXPECT_EQ(layout.places.at("test/tokens").count, 0);
  EXPECT_EQ(layout.texts.at("meta"), "{}");
}

TEST_F(ArchiveH5py, LayoutRefusesWhatCannotBeMapped) {
  const auto refused = [&](const std::string& script, const std::string& piece) {
    ASSERT_EQ(run("with h5py.File(path, 'w', libver='v110') as f:\n    " + script + "\n"), 0);
    EXPECT_ERROR(read_layout(file()), Fault::data, "x.h5", piece);
  };
  refused("f['a'] = np.zeros(3, 'f4')", "\"a\" is not a contiguous array");
  refused("f.create_dataset('a', data=np.zeros(3, 'i4'), chunks=(2,))", "not a contiguous array");
  refused("f.create_dataset('a', (10,), 'i8')", "never written");
  ASSERT_EQ(
      run("with h5py.File(path, 'w', libver='v110') as f:\n    f['a'] = np.zeros(100000, 'i8')\n"),
      0);
  fs::resize_file(file(), fs::file_size(file()) - 100);
  EXPECT_ERROR(read_layout(file()), Fault::data, "x.h5", "truncated file");
  EXPECT_ERROR(read_layout(file().string() + "x"), Fault::data, "No such file");
}

}  // namespace
}  // namespace metaloom
