"""Fails on any breach of the house rules (house_rules.py) in this project, and shows on made-up trees that every rule
can fail."""

import pathlib
import tempfile
import unittest

import house_rules

ROOT = pathlib.Path(__file__).resolve().parents[2]
HEADER = "// What it is.\n#pragma once\n"

# File name, text, and what the complaint about it has to say.
BAD = [
    ("core/a.h", HEADER + '#include "models/bert.h"\n', "core/ must not see models/"),
    ("comm/a.cpp", '#include "sampler/plan.h"\n', "comm/ must not see sampler/"),
    ("sampler/a.cpp", '#include "models/bert.h"\n', "sampler/ must not see models/"),
    ("methods/a.cpp", '#include "comm/communicator.h"\n', "methods/ must not see comm/"),
    ("worker/a.cpp", '#include "models/backbone.h"\n', "worker/ must not see models/"),
    ("worker/a.cpp", '#include "launcher/verbs/verb.h"\n', "worker/ must not see launcher/"),
    ("methods/spt/a.cpp", '#include "methods/meta/meta_rule.h"\n', "methods/spt must not see methods/meta"),
    ("methods/method.cpp", '#include "methods/cloze/template.h"\n', "methods/ must not see methods/cloze"),
    ("methods/meta/inner_loop.h", HEADER + '#include "methods/meta/scopes/scope.h"\n', "must not see methods/meta/scopes"),
    ("methods/meta/inner/a.cpp", '#include "methods/meta/inner_loop.h"\n', "methods/meta/inner must not see methods/meta"),
    ("methods/meta/scopes/a.cpp", '#include "methods/meta/meta_rule.h"\n', "methods/meta/scopes must not see"),
    ("methods/meta/rules/a.cpp", '#include "methods/meta/scopes/scope.h"\n', "methods/meta/rules must not see"),
    ("methods/measures/a.cpp", '#include "methods/cloze/template.h"\n', "methods/measures must not see methods/cloze"),
    ("methods/mlm/a.cpp", '#include "methods/muppet/head.h"\n', "methods/mlm must not see methods/muppet"),
    ("models/layers/a.h", HEADER + '#include "models/backbones/b.h"\n', "models/layers must not see models/backbones"),
    ("models/new_room/a.h", HEADER + '#include "models/backbone.h"\n', "rooms are in ROOMS"),
    ("core/a.cpp", '#include "error.h"\n', "not a path from the project's root"),
    ("sampler/a.cpp", "#include <hdf5.h>\n", "<hdf5.h> belongs to"),
    ("launcher/main.cpp", "#include <mpi.h>\n", "<mpi.h> belongs to"),
    ("comm/mpi.cpp", "#include <nccl.h>\n", "<nccl.h> belongs to"),
    ("comm/world.cpp", '#include "comm/mpi_transfers.h"\n', "shows a third-party library"),
    ("launcher/a.cpp", "#include <toml++/toml.h>\n", "<toml++/toml.h> belongs to"),
    ("core/json.cpp", "#include <nlohmann/json.hpp>\n", "<nlohmann/json.hpp> belongs to"),
    ("core/files/files.cpp", "#include <xxhash.h>\n", "<xxhash.h> belongs to"),
    ("sampler/a.cpp", '#include "core/archive/hdf5.h"\n', "shows a third-party library"),
    ("models/a.cpp", "#include <torch/torch.h>\n", "<torch/torch.h> belongs to"),
    ("models/a.cpp", "#include <cuda_runtime_api.h>\n", "only they know that there are devices"),
    ("models/a.cpp", "#include <boost/format.hpp>\n", "has no owner"),
    ("core/a.cpp", "#include <bzlib.h>\n", "<bzlib.h> has no owner"),
    ("core/a.cpp", "#include <sys/bzlib.h>\n", "has no owner"),
    ("core/a.cpp", "#include <gtest/gtest.h>\n", "<gtest/gtest.h> belongs to"),
    ("core/a.cpp", "// line\n" * 301, "301 lines, over 300"),
    ("core/a.cpp", "void f(int x) {\n" + "  g();\n" * 60 + "}\n", "a function of 62 lines"),
    ("core/a.h", HEADER + "class A {\n  void f() {\n" + "    g();\n" * 60 + "  }\n};\n", "a function of 62 lines"),
    ("core/a.cpp", "template <class T>\nvoid f(int x,\n       int y) {\n" + "  g();\n" * 60 + "}\n", "a function of"),
    ("tools/a.py", "def f():\n" + "    g()\n" * 60, "f() has 61 lines"),
    ("core/utils/a.cpp", "", "folder utils/"),
    ("src/a.cpp", "", "folder src/"),
    ("core/helpers.cpp", "", "a file named for nothing in particular"),
    ("core/a.h", HEADER + "class TaskManager {\n};\n", "type TaskManager"),
    ("core/a.h", HEADER + "struct BackboneBase;\n", "type BackboneBase"),
    ("core/a.h", HEADER + "class ICommunicator;\n", "type ICommunicator"),
    ("core/a.h", "// What it is.\n", "without #pragma once"),
    ("core/a.h", "#pragma once\n", "a header opens with"),
    ("worker/a.cpp", '  fmt::print(stderr, "{}", text);\n', "use say() of core/log/log.h"),
    ("worker/a.cpp", "int main() {\n}\n", "the only main"),
    ("comm/roll_call/a.cpp", '#include "comm/communicator.h"\n', "comm/roll_call must not see comm/"),
    ("worker/a.cpp", "const auto start = std::chrono::steady_clock::now();\n", "time is a value"),
    ("comm/a.cpp", "  std::this_thread::sleep_for(pause);\n", "time is a value"),
    ("comm/a.cpp", "  changed_.wait_for(lock, pause);\n", "time is a value"),
    ("checkpoints/a.cpp", "  manifest.time = std::time(nullptr);\n", "time is a value"),
    ("checkpoints/a.cpp", "  writing_ = std::async(std::launch::async, write);\n", "time is a value"),
    ("launcher/a.cpp", "  ::clock_gettime(CLOCK_REALTIME, &now);\n", "time is a value"),
]

GOOD = [
    ("core/archive/hdf5.h", HEADER + "#include <hdf5.h>\n#include <vector>\n#include <sys/stat.h>\n#include <ATen/ATen.h>\n"),
    ("core/clock.cpp", "double now() {\n  return count(std::chrono::steady_clock::now());\n}\n"),
    ("tests/core/clock_test.cpp", "const auto start = std::chrono::steady_clock::now();\n"),
    ("comm/mpi.cpp", '#include <mpi.h>\n#include "core/error.h"\n#include "comm/communicator.h"\n'),
    ("worker/loop.cpp", '#include "methods/method.h"\n#include "checkpoints/checkpoint.h"\n#include <spdlog/spdlog.h>\n'),
    ("launcher/main.cpp", '#include "worker/loop.h"\n#include "models/backbone.h"\nint main() {\n}\n'),
    ("methods/meta/rules/a.cpp", '#include "methods/meta/meta_rule.h"\n#include "models/backbone.h"\n'),
    ("methods/meta/scopes/a.cpp", '#include "methods/meta/scopes/scope.h"\n#include "methods/cloze/template.h"\n'),
    ("methods/muppet/heads/a.cpp", '#include "methods/muppet/head.h"\n#include "methods/labels.h"\n'),
    ("tests/core/a_test.cpp", '#include <gtest/gtest.h>\n#include "core/error.h"\n'),
    ("core/a.h", HEADER + "struct Item {\n" + "  int a;\n" * 70 + "};\n"),
    ("core/b.cpp", "void f() {\n" + "  g();\n" * 58 + "}\n"),
]


def write(root, name, text):
    path = pathlib.Path(root) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


class HouseTest(unittest.TestCase):
    def test_project_keeps_the_rules(self):
        found = house_rules.violations(ROOT)
        self.assertFalse(found, "\n" + "\n".join(found))

    def test_looks_at_something(self):
        self.assertGreater(len(list(house_rules.source_files(ROOT))), 20)

    def test_every_rule_can_fail(self):
        for name, text, complaint in BAD:
            with self.subTest(file=name, complaint=complaint), tempfile.TemporaryDirectory() as root:
                write(root, name, text)
                found = house_rules.violations(root)
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(name + ":"), found)
                self.assertIn(complaint, found[0])

    def test_good_tree_passes(self):
        with tempfile.TemporaryDirectory() as root:
            for name, text in GOOD:
                write(root, name, text)
            self.assertEqual(house_rules.violations(root), [])


if __name__ == "__main__":
    unittest.main()
