#!/usr/bin/env python3
"""references.py on small trees: each kind of dead name once, and a tree in which all are there."""
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / 'references.py'
DOOR = 'cmd_run() {\n}\ncmd_test() {\n}\necho $HAKMEM_JOBS\n'


def run(files):
    """Exit code and output of references.py over a tree of FILES (path -> text)."""
    with tempfile.TemporaryDirectory() as root:
        for name, text in {'hakmem': DOOR, 'src/base/bits.h': '', 'docs/decisions/0001-first.md': '', **files}.items():
            path = Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run([sys.executable, SCRIPT, root], capture_output=True, text=True)
        return done.returncode, done.stdout


class References(unittest.TestCase):
    def test_what_is_there_passes(self):
        text = '`src/base/bits.h`, `base/bits.h`, `docs/decisions/0001`, `tests/unit/x_test.cc`, `./hakmem run`, HAKMEM_JOBS\n'
        self.assertEqual(run({'README.md': text, 'tests/unit/.keep': ''}), (0, 'references: all there\n'))

    def named(self, files, words):
        status, output = run(files)
        self.assertEqual(status, 1)
        self.assertIn(words, output)

    def test_a_dead_path_in_a_page(self):
        self.named({'README.md': 'see `docs/gone.md`\n'}, 'README.md:1: no such path: docs/gone.md')

    def test_a_dead_path_in_a_comment(self):
        self.named({'src/base/a.h': '\n// as cold/gone.h says\n'}, 'src/base/a.h:2: no such path: cold/gone.h')

    def test_a_dead_command(self):
        self.named({'README.md': '`./hakmem nope`\n'}, 'no such command: ./hakmem nope')

    def test_a_variable_that_nothing_reads(self):
        self.named({'README.md': '`HAKMEM_NOPE=1`\n'}, 'nothing reads HAKMEM_NOPE')

    def test_code_is_no_comment(self):
        self.assertEqual(run({'src/base/a.cc': 'open("docs/gone.md");\n'})[0], 0)


if __name__ == '__main__':
    unittest.main()
