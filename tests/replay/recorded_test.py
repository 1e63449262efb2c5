#!/usr/bin/env python3
"""Records programs and replays them; then spoils the traces, and each must be told.

usage: recorded_test.py LIBRARY HAKMEM_REPLAY PROGRAM
"""

import glob
import os
import resource
import struct
import subprocess
import sys
import tempfile

LIBRARY, REPLAY, PROGRAM = sys.argv[1:]
HEADER, RECORD = 64, struct.Struct("<BBHIQQ")
MALLOC, FREE = 1, 4
WINDOW = 1 << 20  # bytes by which a trace grows
failures = 0


def check(holds, what):
    global failures
    if not holds:
        failures += 1
        print("FAILED:", what)


def record(directory, *command, trace="%p", expected=0, **options):
    environment = dict(os.environ, LD_PRELOAD=LIBRARY,
                       HAKMEM_TRACE=os.path.join(directory, trace))
    got = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True, check=False, **options)
    check(got.returncode == expected, f"{command} exited with {got.returncode}: {got.stderr}")
    return sorted(glob.glob(os.path.join(directory, "*"))), got.stderr


def replay(*arguments):
    got = subprocess.run([REPLAY, *arguments], capture_output=True, text=True, check=False)
    return got.returncode, got.stdout + got.stderr


def records_of(data):
    count, = struct.unpack_from("<Q", data, 16)
    return [RECORD.unpack_from(data, HEADER + i * RECORD.size) for i in range(count)]


def with_records(data, records):
    header = bytearray(data[:HEADER])
    struct.pack_into("<Q", header, 16, len(records))
    return bytes(header) + b"".join(RECORD.pack(*r) for r in records)


def programs_replay_without_difference():
    with tempfile.TemporaryDirectory() as directory:
        files, _ = record(directory, PROGRAM)
        check(len(files) == 4, f"four processes, but {len(files)} traces")
        check(max(map(os.path.getsize, files)) > WINDOW, "one trace takes two windows")
        status, text = replay(*files)
        check(status == 0 and text.count("0 differences") == 4, text)
        check("5 threads" in text, "threads: " + text)
        check(text.count("(forked)") == 2, "forked children: " + text)
        check("4 inherited" in text, "inherited blocks: " + text)
        check("1 refused" in text, "refused calls: " + text)
        status, text = replay("--perf", *files)
        check(status == 0 and text.count("0 differences") == 4, text)
    with tempfile.TemporaryDirectory() as directory:
        files, _ = record(directory, "/usr/bin/python3", "-c", "print(list(range(10**5))[-1])")
        status, text = replay(*files)
        check(status == 0 and "0 differences" in text, text)


def names_do_not_collide():
    with tempfile.TemporaryDirectory() as directory:
        record(directory, PROGRAM, "child", trace="one")
        files, _ = record(directory, PROGRAM, "child", trace="one")
        check(len(files) == 2 and all(".one." not in f and "/one." in f for f in files), str(files))
    with tempfile.TemporaryDirectory() as directory:  # one process, two programs
        files, _ = record(directory, "/bin/sh", "-c", f"exec {PROGRAM} child")
        check(len(files) == 2 and files[1] == files[0] + ".1", str(files))
        status, text = replay(*files)
        check(status == 0 and text.count("0 differences") == 2, text)


def the_program_sees_nothing_of_it():
    look = "import os; assert sorted(os.listdir('/proc/self/fd')) == ['0', '1', '2', '3'], os.listdir('/proc/self/fd')"
    with tempfile.TemporaryDirectory() as directory:
        files, _ = record(directory, "/usr/bin/python3", "-c", look + "; x = [bytes(1000) for _ in range(10**5)]; " + look,
                          stdin=subprocess.DEVNULL)
        check(len(files) == 1 and os.path.getsize(files[0]) > 2 * WINDOW, f"{files}: more than two windows")
        check(os.stat(files[0]).st_mode & 0o7777 == 0o600, "what a program allocates is its user's business alone")


def a_child_that_no_hook_saw_has_a_file_of_its_own():
    behind = ("import ctypes, os; call = ctypes.CDLL(None).syscall; child = call(57)\n"  # fork
              "if child == 0: [bytes(1000) for _ in range(1000)]; os._exit(0)\n"
              "assert os.waitpid(child, 0)[1] == 0; x = [bytes(1000) for _ in range(1000)]")
    with tempfile.TemporaryDirectory() as directory:
        files, _ = record(directory, "/usr/bin/python3", "-c", behind)
        check(len(files) == 2, f"{files}")
        status, text = replay(*files)
        check(status == 0 and text.count("0 differences") == 2 and text.count("(forked)") == 1, text)


def a_relative_name_starts_where_the_program_did():
    with tempfile.TemporaryDirectory() as directory:
        os.mkdir(os.path.join(directory, "elsewhere"))
        record("", "/usr/bin/python3", "-c", "import os; os.chdir('elsewhere'); os.fork()", cwd=directory)
        files = [name for name in os.listdir(directory) if name.isdigit()]
        check(len(files) == 2, f"{files}; {os.listdir(os.path.join(directory, 'elsewhere'))}")


def what_cannot_be_written_is_told():
    with tempfile.TemporaryDirectory() as directory:
        _, errors = record(directory, PROGRAM, "child", trace="no/such/directory/x")
        check('HAKMEM_TRACE="' in errors and "no recording" in errors, errors)
    with tempfile.TemporaryDirectory() as directory:
        files, errors = record(directory, PROGRAM, "child", trace="x" * 5000)
        check(not files and 'HAKMEM_TRACE="' in errors, f"{files}; {errors}")
    with tempfile.TemporaryDirectory() as directory:  # SIGXFSZ stays ignored, as it is in Python
        files, errors = record(
            directory, PROGRAM, restore_signals=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (WINDOW, WINDOW)))
        check("hakmem: warning: HAKMEM_TRACE: the file cannot grow; recording ends here\n" in errors, errors)
        status, text = replay(*files)
        check(status == 0 and text.count("0 differences") == len(files), text)


def spoil(directory, name, data, expected_status, expected_text):
    path = os.path.join(directory, name)
    with open(path, "wb") as out:
        out.write(data)
    status, text = replay(path)
    check(status == expected_status and expected_text in text, f"{name}: {status}: {text}")


def spoiled_traces_are_told():
    with tempfile.TemporaryDirectory() as directory:
        files, _ = record(directory, PROGRAM, "child")
        with open(files[0], "rb") as source:
            data = source.read()
        records = records_of(data)
        frees = [i for i, r in enumerate(records) if r[0] == FREE]
        mallocs = [i for i, r in enumerate(records) if r[0] == MALLOC and r[4] > 64]
        check(len(frees) > 50 and len(mallocs) > 50, "the trace is long enough")

        without_free = records[:frees[20]] + records[frees[20] + 1:]
        spoil(directory, "overlap", with_records(data, without_free), 1, "law H1")
        odd = list(records)
        odd[mallocs[3]] = odd[mallocs[3]][:5] + (odd[mallocs[3]][5] + 8,)
        spoil(directory, "misaligned", with_records(data, odd), 1, "law H2")
        twice = records[:frees[20] + 1] + [records[frees[20]]] + records[frees[20] + 1:]
        spoil(directory, "freed_twice", with_records(data, twice), 1, "law H3")
        unknown = list(records)
        unknown[5] = (99,) + unknown[5][1:]
        spoil(directory, "unknown_kind", with_records(data, unknown), 2,
              f"byte {HEADER + 5 * RECORD.size}: no kind of record has number 99")
        whole = with_records(data, records)
        spoil(directory, "cut_off", whole[:-1], 2, "the file ends after")
        spoil(directory, "other_version", whole[:8] + b"\7" + whole[9:], 2, "byte 8: version 7")
        spoil(directory, "short_header", whole[:40], 2, "the header is cut off")
        spoil(directory, "no_trace", b"malloc thread=0\n", 2, "line 1 is no operation")
        spoil(directory, "text", b"# text\nmalloc thread=0 block=0 size=100 arg=0\n", 0,
              "1 operations, 0 differences")
    status, text = replay("/no/such/file")
    check(status == 2 and "/no/such/file: cannot be read" in text, text)


programs_replay_without_difference()
names_do_not_collide()
the_program_sees_nothing_of_it()
if os.uname().machine == "x86_64":
    a_child_that_no_hook_saw_has_a_file_of_its_own()
a_relative_name_starts_where_the_program_did()
what_cannot_be_written_is_told()
spoiled_traces_are_told()
print("failures:", failures)
sys.exit(failures != 0)
