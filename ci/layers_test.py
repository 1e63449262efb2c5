#!/usr/bin/env python3
"""layers.py on small trees: each rule broken once, and a tree that keeps them all."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / 'layers.py'
ORDER = '```layers\nbase\npal\npolicy stats\nhot\nentry\n```\n'
KEPT = {
    'base/bits.h': '#include <cstdint>\n',
    'pal/linux.cc': '#include <sys/mman.h>\n#include "base/bits.h"\n#include "pal/linux.h"\n',
    'pal/linux.h': '',
    'stats/stats.h': '#include "base/bits.h"\n',
    'policy/policy.h': '',
    'hot/box.h': '#include "stats/stats.h"\n#include "policy/policy.h"\n',
    'entry/malloc.cc': '#include <unistd.h>\n#include "hot/box.h"\n#include "hakmem/hakmem.h"\n',
}


def run(files):
    """Exit code and output of layers.py over a tree of FILES (path under src/ -> text)."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {'README.md': ORDER, **files}.items():
            path = Path(root, 'src', name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
        return done.returncode, done.stdout


class Layers(unittest.TestCase):
    def rejects(self, name, text, reason):
        code, output = run({**KEPT, name: text})
        self.assertEqual(code, 1, output)
        self.assertIn(f'src/{name}:1: ', output)
        self.assertIn(reason, output)
        self.assertIn('layers: 1 offences', output)

    def test_accepts_the_order(self):
        self.assertEqual(run(KEPT), (0, 'layers: 0 offences\n'))

    def test_upward(self):
        self.rejects('base/up.h', '#include "hot/box.h"\n', 'layer hot is not below base')

    def test_sibling(self):
        self.rejects('policy/side.h', '#include "stats/stats.h"\n', 'layer stats is not below policy')

    def test_upward_in_angle_brackets(self):
        self.rejects('base/up.h', '#include <hot/box.h>\n', 'layer hot is not below base')

    def test_os_header(self):
        self.rejects('hot/os.h', '#include <sys/mman.h>\n', 'operating-system header')
        self.rejects('hot/os.h', '#  include <pthread.h>\n', 'operating-system header')

    def test_source_file(self):
        self.rejects('entry/all.cc', '#include "pal/linux.cc"\n', 'includes a source file')

    def test_relative_path(self):
        self.rejects('hot/near.h', '#include "box.h"\n', 'not a path from src/')

    def test_missing_file(self):
        self.rejects('hot/gone.h', '#include "base/gone.h"\n', 'no such file')

    def test_unknown_layer(self):
        self.rejects('attic/old.h', '', 'not in the layer order')


if __name__ == '__main__':
    unittest.main()
