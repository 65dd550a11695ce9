"""What the Python tools share: the manual that --help prints, faults in one line, files that are opened with care.

A tool that cannot do what it is asked says in one line what is wrong, where, and what to do. Its exit status is then 1, and 2
for wrong usage. `python3 -X dev TOOL ...` shows where in the tool it happened.
"""
import argparse
import contextlib
import json
import os
import sys

NAME = os.path.basename(sys.argv[0])


def fail(why):
    sys.exit(f"{NAME}: {why}")


@contextlib.contextmanager
def needs(*modules):
    """Around imports: where one of these modules is missing, it says so, and in which Python. A tool ends with that line; a
    program that imports a tool as a module gets an ImportError."""
    try:
        yield
    except Exception as missing:  # not only ImportError: a package that was built for another one fails in its own way
        why = (f"{(str(missing).strip().splitlines() or [type(missing).__name__])[-1]}, in the Python {sys.executable}; install {', '.join(modules)} for it, or start {NAME} with a Python that "
               f"has them (Debian's /usr/bin/python3 has, with the packages {' '.join(f'python3-{name}' for name in modules)})")
        tools = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        program = os.path.realpath(sys.argv[0])
        if not program.startswith(tools + os.sep):
            raise ImportError(why) from missing
        fail(why)


def arguments(manual, **options):
    """A parser that prints the manual as it is written."""
    parser = argparse.ArgumentParser(description=manual, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False,
                                     **options)
    parser.add_argument("-h", "--help", action="help", help="Prints this text.")
    return parser


def count(text):
    """A whole number above 0, as the type of an argument."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text}")
    return int(text)


def run(main):
    """Run a tool. A fault becomes one line and exit status 1."""
    try:
        main()
        sys.stdout.flush()
    except BrokenPipeError:  # the program that reads the output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as fault:
        if sys.flags.dev_mode:
            raise
        fail(in_a_line(fault))


def in_a_line(fault):
    if isinstance(fault, OSError) and fault.filename:
        return f"{fault.filename}: {fault.strerror}"
    text = (str(fault).strip().splitlines() or ["no more is known"])[-1]
    if isinstance(fault, (OSError, RuntimeError, ValueError)):
        return text
    return f"{type(fault).__name__}: {text}; `{sys.executable} -X dev {sys.argv[0]} ...` shows where"


def hdf5(path, wanted):
    """An HDF5 file, open for reading. wanted: what the user should take, for the message."""
    with needs("h5py"):
        import h5py
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}; take {wanted}")
    try:
        return h5py.File(path, "r")
    except OSError:
        raise OSError(f"{path} is no HDF5 file, or it is damaged; take {wanted}") from None


def array(path, wanted, **options):
    """The array in a file. wanted: what it should hold, for the message."""
    with needs("numpy"):
        import numpy as np
    if not os.path.isfile(path):
        raise FileNotFoundError(f"there is no file {path}; expected {wanted}, written by numpy.save()")
    try:
        found = np.load(path, **options)
        if isinstance(found, np.ndarray):
            return found
    except Exception:  # what numpy raises depends on where the file stops to be one of its own
        pass
    raise ValueError(f"{path} is no array file; expected {wanted}, written by numpy.save()")


def report(run_folder, name=""):
    """The report of a run on its own samples, or the one of this name."""
    path = os.path.join(run_folder, "report", name, "report.json")
    if not os.path.exists(path):
        raise FileNotFoundError(f"there is no {path}; give the folder of a run that `tribikos eval` has evaluated")
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
        if found["models"] and "ood" in found:
            return found
    except (KeyError, TypeError, ValueError):
        pass
    raise ValueError(f"{path} is no report of tribikos; run `tribikos eval` again")
